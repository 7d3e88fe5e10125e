// The status page in a browser: it is live, shows what hangs, needs no script, and everybody can read it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { axe, launch } from "./browser.mjs";
import { DEADLINE, start, until } from "./service.mjs";

const HOSTILE = `<script>alert(1)</script>"'&`;
const SIZES = { phone: { width: 360, height: 800 }, wide: { width: 1400, height: 900 } };

let service, browser, page;
// What must not happen while the launcher is there.
const wrong = [];

/** A page of its own; what its browser complains about goes to `wrong`. */
async function open(options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(DEADLINE);
  const opened = await context.newPage();
  opened.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  opened.on("pageerror", (error) => wrong.push(String(error)));
  opened.on("dialog", (dialog) => {
    wrong.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  opened.on("request", (request) => {
    if (!request.url().startsWith(service.admin)) wrong.push(`asks for ${request.url()}`);
  });
  const answer = await opened.goto(service.admin);
  assert.equal(answer.status(), 200);
  return opened;
}

const text = (id, of = page) => of.locator(`#${id}`).innerText();
const shows = (id, what) => until(`${what} in ${id}`, async () => (await text(id)).includes(what));
/** The age of the request that hangs, in seconds. */
const age = async (of = page) => parseInt(await of.locator("#requests tr", { hasText: "/orders/17/invoice" }).innerText(), 10);

before(async () => {
  [service, browser] = await Promise.all([start("shop", 4), launch()]);
  page = await open({ viewport: SIZES.wide });
});
after(async () => {
  await browser?.close();
  await service?.end();
});

test("it shows what happens without being loaded again", async () => {
  await page.evaluate(() => (window.isTheSame = true));
  await shows("figures", "0 since the start");
  await Promise.all(Array.from({ length: 20 }, () => service.ask("/report")));
  await shows("figures", "20 since the start");
  await shows("counts", "GET 200: 20");
  await until("a rate", async () => parseFloat((await text("figures")).match(/([\d.]+)\/s/)[1]) > 0);
  await until("bars", async () => (await page.locator(".bars path").getAttribute("d")).includes("M"));
  assert.ok(await page.evaluate(() => window.isTheSame));
});

test("a request that hangs is there, and its age grows", async () => {
  service.ask("/orders/17/invoice", { "X-Request-ID": "the-one-that-hangs" });
  await shows("requests", "/orders/17/invoice");
  await shows("figures", "1/4 busy");
  await shows("workers", "GET /orders/17/invoice for");
  const first = await age();
  await until("a greater age", async () => (await age()) >= first + 2);
});

test("what clients and the application say is text", async () => {
  await service.ask("/boom");
  const asked = service.ask(`/${HOSTILE}`);
  await shows("requests", HOSTILE);
  await asked;
  await shows("slow", HOSTILE);
  await shows("errors", "<img src=x onerror=alert(2)>");
  assert.equal(await page.locator("main script, main img").count(), 0);
});

test("updates leave alone what is open, scrolled, focused or selected", async () => {
  await page.locator("summary").click();
  await page.locator("#pause").focus();
  await page.evaluate(() => scrollTo(0, 150));
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector("#figures dt")));
  const [now, figures] = [await text("now"), await page.locator("#figures").innerHTML()];
  service.ask("/report");
  await until("an update", async () => (await text("now")) !== now);
  await shows("counts", "GET 200: 21");
  const state = await page.evaluate(() => [
    document.querySelector("details").open, scrollY, document.activeElement.id, String(getSelection()),
  ]);
  assert.deepEqual(state, [true, 150, "pause", "Slots"]);
  assert.equal(await page.locator("#figures").innerHTML(), figures, "its text is about to be copied");
  await page.evaluate(() => getSelection().empty());
  await shows("figures", `${(await service.status()).traffic.requests} since the start`);
});

test("it can be paused", async () => {
  await page.locator("#pause").click();
  assert.equal(await text("connection"), "paused");
  const { requests } = (await service.status()).traffic;
  await service.ask("/report");
  await until("the request is counted", async () => (await service.status()).traffic.requests > requests);
  assert.ok((await text("figures")).includes(`${requests} since the start`));
  await page.locator("#pause").click();
  await shows("figures", `${requests + 1} since the start`);
  assert.equal(await text("connection"), "");
});

test("without a script the same figures are there", async () => {
  const plain = await open({ javaScriptEnabled: false, viewport: SIZES.wide });
  const parts = ["verdict", "figures", "requests", "errors", "latency", "workers", "slow", "events", "counts", "reloads"];
  for (const id of parts) assert.ok((await text(id, plain)).length > 3, id);
  const status = await service.status();
  assert.ok((await text("figures", plain)).includes(`${status.traffic.requests} since the start`));
  const seconds = status.workers.flatMap((worker) => worker.serving)[0].seconds;
  assert.ok(Math.abs((await age(plain)) - seconds) <= 2);
  assert.ok((await text("requests", plain)).includes("the-one-that-hangs"));
  assert.equal(await plain.locator("meta[http-equiv=refresh]").count(), 1);
  assert.ok(await plain.locator("noscript p").isVisible());
  assert.ok(await plain.locator("#pause").isHidden());
  await plain.context().close();
});

test("everybody can read it, in light and dark, on a phone and a wide screen", async () => {
  // The page of the tests above, with all that has happened. Nothing may change while it is checked.
  await page.locator("#pause").click();
  await page.evaluate(axe.source);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [name, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      const { violations, passes } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => ({ id, html, failureSummary })));
      assert.deepEqual(found, [], `${colorScheme} ${name}`);
      assert.ok(passes.some(({ id }) => id === "color-contrast"));
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= viewport.width, `${name}: ${width} wide`);
    }
  }
  await page.locator("#pause").click();
});

test("its policy forbids what is not its own", async () => {
  assert.deepEqual(wrong, []);
  const refused = await page.evaluate(() => {
    const violations = [];
    document.addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "window.injected = true";
    document.body.append(script);
    const image = document.createElement("img");
    image.src = "/livez";
    document.body.append(image);
    return new Promise((resolve) => setInterval(() => violations.length > 1 && resolve(violations), 20));
  });
  assert.deepEqual(refused.sort(), ["img-src", "script-src-elem"]);
  assert.equal(await page.evaluate(() => window.injected), undefined);
});

test("a launcher that has left is told, with the time of the last figures", async () => {
  const { end } = service;
  service.end = async () => {};
  await end();
  await shows("connection", "connection lost, figures of");
  assert.match(await text("connection"), /figures of \d\d:\d\d:\d\d$/);
  assert.ok((await text("figures")).includes("since the start"), "they stay");
});
