"use strict";
// Puts the parts that the server sends in place of those that the page has. Nothing else is changed: what is open, focused,
// selected or scrolled stays as it is. Nobody is asked while the page is hidden or paused.
(() => {
  const LOST_AFTER = 4000, AGAIN_AFTER = 5000; // milliseconds
  const connection = document.getElementById("connection");
  const pause = document.getElementById("pause");
  const pending = new Map();
  let source, heard, paused = false;

  const say = (text) => {
    if (connection.textContent !== text) connection.textContent = text;
  };
  const isLost = (lost) => document.body.classList.toggle("lost", lost);
  // Text that is selected is about to be copied.
  const isSelected = (element) => {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(element, true);
  };
  const update = () => {
    for (const [id, html] of pending) {
      const element = document.getElementById(id);
      if (!element || isSelected(element)) continue;
      element.innerHTML = html;
      pending.delete(id);
    }
    document.title = document.querySelector("h1").textContent;
  };
  const follow = () => {
    source?.close();
    heard = Date.now();
    if (paused || document.hidden) return;
    source = new EventSource("/events");
    source.onmessage = (event) => {
      heard = Date.now();
      for (const [id, html] of Object.entries(JSON.parse(event.data))) pending.set(id, html);
      update();
      say("");
      isLost(false);
    };
  };
  setInterval(() => {
    if (paused || document.hidden) return;
    const silent = Date.now() - heard;
    if (silent > LOST_AFTER) {
      say("connection lost, figures of " + document.querySelector("time").textContent);
      isLost(true);
    }
    // The browser connects anew by itself, unless the answer was no stream: too many look, or another program answers.
    if (silent > AGAIN_AFTER && source.readyState === EventSource.CLOSED) follow();
  }, 1000);
  document.addEventListener("visibilitychange", follow);
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Continue" : "Pause";
    say(paused ? "paused" : "");
    follow();
  });
  pause.hidden = false;
  follow();
})();
