//! What uWSGI's log says about the lives of its workers, for the launcher's accounts. Pure.
//!
//! uWSGI's master writes one line for each process that it starts, and one before it for most that have ended
//! (`master_loop` in core/master.c, `uwsgi_respawn_worker` in core/master_utils.c). A worker that was asked to end and did
//! so while it had no request is replaced without a word about it, so the line about the successor counts. Only the
//! master's own pipe is read for this: what workers write is the application's.

use super::origin::number;
use super::uwsgi_worker::undated;
use crate::logs::record::WorkerEvent;

/// How the message about a timeout begins (`timed_out` in `microservice_flask_answer.py`).
const TIMED_OUT: &[u8] = b"Request timed out after ";

/// Reads a line of uWSGI's master.
pub fn of_master(line: &[u8]) -> Option<WorkerEvent> {
    let line = undated(line);
    let worker_and = |start: &str, between: &[u8]| {
        let (worker, rest) = leading_number(line.strip_prefix(start.as_bytes())?)?;
        let (pid, rest) = leading_number(rest.strip_prefix(between)?)?;
        Some((u32::try_from(worker).ok()?, pid, rest))
    };
    if let Some((worker, pid, _)) = worker_and("Respawned uWSGI worker ", b" (new pid: ") {
        return Some(WorkerEvent::Respawned { worker, pid });
    }
    if let Some((worker, pid, _)) = worker_and("spawned uWSGI worker ", b" (pid: ") {
        return Some(WorkerEvent::Spawned { worker, pid });
    }
    if let Some((worker, pid, _)) = worker_and("worker ", b" killed successfully (pid: ") {
        return Some(WorkerEvent::Left { worker, pid });
    }
    if let Some((worker, pid, rest)) = worker_and("DAMN ! worker ", b" (pid: ") {
        let signal = memchr::memmem::find(rest, b"killed by signal ")
            .and_then(|at| leading_number(&rest[at + b"killed by signal ".len()..]));
        return Some(WorkerEvent::Died {
            worker,
            pid,
            signal: signal.map(|(signal, _)| signal),
        });
    }
    let pid = |line: &[u8]| {
        let at = memchr::memmem::find(line, b"(pid: ")?;
        leading_number(&line[at + b"(pid: ".len()..]).map(|(pid, _)| pid)
    };
    if line.starts_with(b"*** EVIL RELOAD ON WORKER ") {
        return pid(line).map(|pid| WorkerEvent::TooLarge { pid });
    }
    if line.starts_with(b"*** HARAKIRI ON WORKER ") {
        return pid(line).map(|pid| WorkerEvent::TimedOut { pid });
    }
    None
}

/// Reads the message of a record of the entry module; `pid` is the process that wrote it.
pub fn of_entry_module(message: &[u8], pid: Option<u32>) -> Option<WorkerEvent> {
    let pid = i32::try_from(pid?).ok()?;
    message
        .starts_with(TIMED_OUT)
        .then_some(WorkerEvent::TimedOut { pid })
}

/// The number at the beginning of a text, and the rest.
fn leading_number(text: &[u8]) -> Option<(i32, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    Some((i32::try_from(number(digits)?).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::WorkerEvent::{Died, Left, Respawned, Spawned, TimedOut, TooLarge};
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<WorkerEvent>) {
        assert_eq!(of_master(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn lives_of_workers() {
        let (worker, pid) = (3, 7);
        check(
            "spawned uWSGI worker 3 (pid: 7, cores: 1)",
            Some(Spawned { worker, pid }),
        );
        check(
            "Respawned uWSGI worker 3 (new pid: 7)",
            Some(Respawned { worker, pid }),
        );
        let died = |signal| {
            Some(Died {
                worker,
                pid,
                signal,
            })
        };
        check(
            "DAMN ! worker 3 (pid: 7) died, killed by signal 11 :( trying respawn ...",
            died(Some(11)),
        );
        check(
            "DAMN ! worker 3 (pid: 7) MISTERIOUSLY killed by signal 9 :( trying respawn ...",
            died(Some(9)),
        );
        check(
            "DAMN ! worker 3 (pid: 7) died :( trying respawn ...",
            died(None),
        );
        check(
            "worker 3 killed successfully (pid: 7)",
            Some(Left { worker, pid }),
        );
        check(
            "Wed Nov 25 03:40:37 2026 - *** EVIL RELOAD ON WORKER 3 RSS: 90000 (pid: 7) ***",
            Some(TooLarge { pid }),
        );
        check(
            "Wed Nov 25 03:40:37 2026 - *** HARAKIRI ON WORKER 3 (pid: 7, try: 1) ***",
            Some(TimedOut { pid }),
        );
    }

    #[test]
    fn other_lines_are_about_something_else() {
        for line in [
            "",
            "worker 3 buried after 1 seconds",
            "DAMN ! worker x (pid: 7) died",
            "Respawned uWSGI worker 99999999999 (new pid: 7)",
            "the log says: DAMN ! worker 3 (pid: 7) died",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn a_timeout_is_that_of_the_process_that_wrote_the_record() {
        let message = b"Request timed out after 2.0 s: GET /hang";
        assert_eq!(of_entry_module(message, Some(7)), Some(TimedOut { pid: 7 }));
        assert_eq!(of_entry_module(message, None), None);
        assert_eq!(of_entry_module(b"Request timed in", Some(7)), None);
    }
}
