//! `top` on a pseudo terminal: what is seen, what keys do, and that the terminal is as before when it ends.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::background;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const SOON: Duration = Duration::from_secs(30);
const SIZE: (u16, u16) = (24, 80);

/// `top`, and the terminal in which it runs.
struct OnTerminal {
    child: Child,
    /// The end of the terminal that a person has.
    person: File,
    /// The other one.
    terminal: OwnedFd,
    output: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    fn start(running: &Running) -> Self {
        let size = Winsize {
            ws_row: SIZE.0,
            ws_col: SIZE.1,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(Some(&size), None).unwrap();
        let end = || pair.slave.try_clone().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_microservice-flask"))
            .args(["top", "--runtime-dir"])
            .arg(&running.runtime)
            .env_clear()
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let person = File::from(pair.master);
        let output = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (person.try_clone().unwrap(), Arc::clone(&output));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The terminal is kept open by the test: this ends with the process.
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                to.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            child,
            person,
            terminal: pair.slave,
            output,
        }
    }

    fn keys(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).unwrap();
    }

    /// What is seen, as lines.
    fn lines(&self) -> Vec<String> {
        screen(&String::from_utf8_lossy(&self.output.lock().unwrap()))
    }

    /// Waits until a line has all of these texts.
    #[track_caller]
    fn wait_for(&self, texts: &[&str]) -> String {
        until(SOON, &format!("{texts:?} on {:#?}", self.lines()), || {
            let lines = self.lines();
            lines
                .into_iter()
                .find(|line| texts.iter().all(|text| line.contains(text)))
        })
    }

    #[track_caller]
    fn wait_for_first_row(&self, text: &str) {
        until(SOON, &format!("{text:?} in the first row"), || {
            let rows = self.rows();
            rows.first()
                .is_some_and(|row| row.contains(text))
                .then_some(())
        });
    }

    /// The rows of the table.
    fn rows(&self) -> Vec<String> {
        let lines = self.lines();
        let title = lines.iter().position(|line| line.contains(" request "));
        let rows = &lines[title.map_or(lines.len(), |title| title + 1)..];
        let rows = rows.iter().filter(|row| !row.trim().is_empty()).cloned();
        let mut rows: Vec<String> = rows.collect();
        // The line at the bottom.
        rows.pop();
        rows
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // It has ended, or the test has failed.
        let _ = self.child.kill();
        // The same.
        let _ = self.child.wait();
    }
}

/// The lines that a terminal shows after this output: it knows how to place the cursor, and to clear everything.
fn screen(output: &str) -> Vec<String> {
    let (height, width) = (usize::from(SIZE.0), usize::from(SIZE.1));
    let mut cells = vec![vec![' '; width]; height];
    let (mut row, mut column) = (0, 0);
    let mut letters = output.chars();
    while let Some(letter) = letters.next() {
        if letter != '\x1b' {
            if let Some(cell) = cells.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell = letter;
            }
            column += 1;
            continue;
        }
        letters.next();
        let mut parameters = String::new();
        let last = letters.by_ref().find(|letter| {
            parameters.push(*letter);
            letter.is_ascii_alphabetic()
        });
        parameters.pop();
        match (parameters.as_str(), last) {
            ("2", Some('J')) => cells = vec![vec![' '; width]; height],
            (place, Some('H')) => {
                let (line, place) = place.split_once(';').unwrap_or(("1", "1"));
                (row, column) = (
                    line.parse::<usize>().unwrap() - 1,
                    place.parse::<usize>().unwrap() - 1,
                );
            }
            _ => {}
        }
    }
    cells.into_iter().map(String::from_iter).collect()
}

fn pid_of(running: &Running, worker: u64) -> i64 {
    let status = running.status();
    let workers = status["workers"].as_array().unwrap();
    let found = workers.iter().find(|found| found["id"] == worker);
    found.unwrap()["pid"].as_i64().unwrap()
}

#[test]
fn a_hung_request_is_seen_and_its_worker_ended_and_the_terminal_is_as_before() {
    let running = Launcher::new(&Service::with_slots(3)).start_ready();
    let hung = background(running.address, Request::post("/hang", "x"));
    let mut top = OnTerminal::start(&running);
    let before = tcgetattr(&top.terminal).unwrap();

    let row = top.wait_for(&["busy", "POST /hang"]);
    top.wait_for(&["is well: ready", "1 of 3 slots busy"]);
    top.wait_for(&["age▼"]);
    let raw = tcgetattr(&top.terminal).unwrap();
    assert!(!raw.local_flags.contains(LocalFlags::ECHO));
    let worker: u64 = row.split_whitespace().next().unwrap().parse().unwrap();
    let pid = pid_of(&running, worker);
    top.wait_for_first_row("POST /hang");

    // Sorted by number, and turned round.
    top.keys("n");
    top.wait_for(&["#▼"]);
    top.wait_for_first_row("  1 ");
    top.keys("n");
    top.wait_for(&["#▲"]);
    top.wait_for_first_row("  3 ");
    top.keys("/hang\r");
    top.wait_for(&["only \"hang\""]);
    until(SOON, "one row", || (top.rows().len() == 1).then_some(()));

    top.keys("\r");
    top.wait_for(&[&format!("busy, pid {pid}")]);
    top.keys("s");
    top.wait_for(&[&format!("Python stacks of worker {worker}")]);
    top.wait_for(&["hang ("]);
    top.keys("\x1b");
    // With a key right behind it, it would be Alt and that key.
    top.wait_for(&["only \"hang\""]);
    top.keys("k");
    let question = format!("End worker {worker}? Its request POST /hang fails");
    top.wait_for(&[&question]);
    top.keys("y");
    top.wait_for(&[&format!(
        "worker {worker} (pid {pid}) is ended and replaced"
    )]);
    assert!(
        hung.join()
            .unwrap()
            .is_ok_and(|answer| answer.status == 502)
    );
    // Esc shows all again.
    top.keys("\x1b");
    until(SOON, "a new process", || {
        let new = pid_of(&running, worker);
        (new > 0 && new != pid).then_some(())
    });
    let new = pid_of(&running, worker).to_string();
    top.wait_for(&[&format!("{worker} "), &new, "idle"]);

    let pid = Pid::from_raw(i32::try_from(top.child.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let status = until(SOON, "the end of top", || top.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(128 + 15));
    assert_eq!(tcgetattr(&top.terminal).unwrap(), before);
    // The cursor, and the screen from before.
    until(SOON, "the end of its output", || {
        let output = top.output.lock().unwrap();
        output.ends_with(b"\x1b[?25h\x1b[?1049l").then_some(())
    });
    running
        .run_command(&["top"])
        .assert_code(2)
        .assert_says("top needs a terminal");
}
