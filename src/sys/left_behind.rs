//! Processes that the application has left behind: programs that it has started, and daemons with a session of their
//! own. The launcher adopts them as PID 1 or subreaper, lets them live through reloads, and ends them last of all.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::family;
use super::process;
use super::reap;

/// How long they have after SIGTERM.
const TERM_TIMEOUT: Duration = Duration::from_secs(1);
/// The interval between two looks at those that are left.
const POLL: Duration = Duration::from_millis(10);
/// Looks after SIGKILL, at most: a process in an uninterruptible system call would be waited for without end.
const LOOKS_AFTER_KILL: u32 = 100;
/// Bytes of a command in a message.
const MAX_COMMAND: usize = 80;

/// Ends them, with SIGTERM and then SIGKILL. Returns each with its pid and command.
pub(crate) fn end() -> Vec<String> {
    let found = living();
    let described = found.iter().copied().filter_map(describe).collect();
    for pid in found {
        process::signal(pid, Signal::SIGTERM);
        // It could not take the signal while it is stopped.
        process::signal(pid, Signal::SIGCONT);
    }
    let deadline = Instant::now() + TERM_TIMEOUT;
    while Instant::now() < deadline && !left().is_empty() {
        std::thread::sleep(POLL);
    }
    for _ in 0..LOOKS_AFTER_KILL {
        let left = left();
        if left.is_empty() {
            break;
        }
        for pid in left {
            process::signal(pid, Signal::SIGKILL);
        }
        std::thread::sleep(POLL);
    }
    described
}

/// Ends those of these processes that the launcher has adopted, while it goes on: SIGTERM, and later SIGKILL.
pub(crate) fn end_later(pids: Vec<Pid>) {
    let own = nix::unistd::getpid();
    let is_left = move |pid: &Pid| family::is_child_of(*pid, own) && !family::has_ended(*pid);
    let left: Vec<Pid> = pids.into_iter().filter(is_left).collect();
    if left.is_empty() {
        return;
    }
    let described: Vec<String> = left.iter().copied().filter_map(describe).collect();
    tracing::info!(
        processes = described.join(", "),
        "Processes that the import of the old generation had started are ended."
    );
    for pid in &left {
        process::signal(*pid, Signal::SIGTERM);
    }
    tokio::task::spawn_local(async move {
        tokio::time::sleep(TERM_TIMEOUT).await;
        for pid in left.into_iter().filter(is_left) {
            process::signal(pid, Signal::SIGKILL);
        }
    });
}

/// Those that live, after the dead ones have been reaped: the children of a dead process are the launcher's then.
fn left() -> Vec<Pid> {
    reap::reap_all(|_| ());
    living()
}

/// All descendants of the launcher; as PID 1 also processes that others have put into its PID namespace.
fn living() -> Vec<Pid> {
    let mut found = if process::is_init() {
        family::all_others()
    } else {
        family::descendants()
    };
    found.retain(|pid| !family::has_ended(*pid));
    found
}

/// None for one that is just ending, because it has been killed with its child.
fn describe(pid: Pid) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let command: String = line.trim_end().chars().take(MAX_COMMAND).collect();
    (!command.is_empty()).then(|| format!("{pid} ({command})"))
}
