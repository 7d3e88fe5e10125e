//! uWSGI's worker processes: the part of their statistics that the launcher uses, and what the kernel says about them.
//! Pure.
//!
//! uWSGI notices the end of a worker late, or never: its master looks once a second, not at all while it is stopped, and
//! the kernel forgets the dead when SIGCHLD is ignored. So the kernel is asked whether a process is alive.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::status::{ProcessFigures, RequestStatus, WorkerState, WorkerStatus};

/// The name (/proc/PID/comm) that the entry module gives to the main thread of a worker that leaves: it serves no more
/// requests, and waits for its exit handlers and threads.
pub(super) const ENDING: &str = "uwsgi-ending";

/// A worker process, or the place of one that is about to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worker {
    /// uWSGI's number of the worker, from 1; a replacement gets the same one.
    pub(super) id: u32,
    /// 0 when there is no process.
    pub(super) pid: i32,
    /// Whether it has imported the application and accepts requests.
    pub(super) accepting: bool,
    /// Requests that it has finished.
    pub(super) requests: u64,
    /// The requests in it, according to uWSGI: those of a dead process too, until its successor runs.
    pub(super) in_flight: Vec<InFlight>,
    pub(super) existence: Existence,
    /// What it uses; none: the kernel does not tell.
    pub(super) usage: Option<Usage>,
}

/// What a process uses, according to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time.
    pub(super) cpu: Duration,
    pub(super) threads: u64,
    /// In bytes.
    pub(super) rss: u64,
    /// When it was started, since the machine was.
    pub(super) started: Duration,
}

/// Whether a worker's process exists and can serve, according to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Existence {
    /// It runs, or the kernel does not tell.
    #[default]
    Alive,
    /// It is stopped by a signal (SIGSTOP): it keeps its requests and takes no more.
    Stopped,
    /// It takes no more requests, and its exit handlers or threads still run.
    Ending,
    /// There is no such process: it is gone, a zombie, or the number is another's by now.
    Dead,
}

impl Existence {
    /// From its line in /proc: name, state and parent; none when there is none. `master` is uWSGI's main process. A
    /// process that a debugger or profiler holds for a moment (state `t`) is alive.
    pub(super) fn of(stat: Option<(&str, char, i32)>, master: i32) -> Self {
        match stat {
            None | Some((_, 'Z' | 'X' | 'x', _)) => Self::Dead,
            Some((_, _, parent)) if parent != master => Self::Dead,
            Some((_, 'T', _)) => Self::Stopped,
            Some((ENDING, _, _)) => Self::Ending,
            Some(_) => Self::Alive,
        }
    }
}

/// An in-flight request. Its texts are untrusted, and limited in length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(super) id: String,
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    /// Whether it is an open WebSocket, which has no deadline.
    pub(super) websocket: bool,
    /// When it started, by the wall clock: seconds since 1970.
    pub(super) started: u64,
    /// When nginx had the whole request, by the same clock: milliseconds since 1970. None: it does not come from nginx.
    pub(super) entered: Option<u64>,
}

impl Worker {
    /// Whether it takes requests.
    pub(super) fn serves(&self) -> bool {
        self.accepting && self.existence == Existence::Alive
    }

    /// Whether it does nothing, and waits for requests.
    pub(super) fn is_idle(&self) -> bool {
        self.serves() && self.in_flight.is_empty()
    }

    /// Its requests in flight; those of a dead process have ended with it.
    pub(super) fn serving(&self) -> &[InFlight] {
        match self.existence {
            Existence::Alive | Existence::Stopped | Existence::Ending => &self.in_flight,
            Existence::Dead => &[],
        }
    }

    /// The worker in a status report, with its requests in flight.
    pub(super) fn status(
        &self,
        serving: Vec<RequestStatus>,
        process: ProcessFigures,
    ) -> WorkerStatus {
        let state = match (self.existence, self.accepting, serving.is_empty()) {
            (Existence::Dead, _, _) => WorkerState::Dead,
            (Existence::Ending, _, _) => WorkerState::Ending,
            (Existence::Stopped, _, _) => WorkerState::Stopped,
            (Existence::Alive, _, false) => WorkerState::Busy,
            (Existence::Alive, true, true) => WorkerState::Idle,
            (Existence::Alive, false, true) => WorkerState::Starting,
        };
        WorkerStatus {
            id: self.id,
            pid: self.pid,
            state,
            requests: self.requests,
            serving,
            process,
            exits: BTreeMap::new(),
        }
    }
}

impl InFlight {
    /// The request in a status report; `seconds` is its age.
    pub(super) fn status(&self, seconds: u64) -> RequestStatus {
        // uWSGI rounds the start down, so that this is what it has waited at least.
        let waited =
            |entered: u64| self.started.saturating_mul(1000).saturating_sub(entered) / 1000;
        RequestStatus {
            request_id: self.id.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            seconds,
            queue_seconds: self.entered.map(waited),
            websocket: self.websocket,
        }
    }
}

/// Why none of the processes takes requests; none when one does.
pub(super) fn none_serves(workers: &[Worker]) -> Option<String> {
    if workers.iter().any(Worker::serves) {
        return None;
    }
    let all = workers.len();
    let count = |state: Existence| {
        workers
            .iter()
            .filter(|worker| worker.existence == state)
            .count()
    };
    let dead = count(Existence::Dead);
    if dead == all {
        return Some("uwsgi has no process that serves".to_owned());
    }
    let verb = |count: usize| if count == 1 { "is" } else { "are" };
    let kinds = [
        (
            count(Existence::Ending),
            "ending: threads or exit handlers of the application still run",
        ),
        (count(Existence::Stopped), "stopped by a signal (SIGSTOP)"),
        (dead, "dead"),
    ];
    let known = kinds.iter().map(|(count, _)| count).sum::<usize>();
    let starting = (all.saturating_sub(known), "starting");
    let parts: Vec<String> = kinds
        .into_iter()
        .chain([starting])
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} of {all} processes {} {what}", verb(count)))
        .collect();
    Some(parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(pid: i32, accepting: bool, existence: Existence) -> Worker {
        Worker {
            id: 1,
            pid,
            accepting,
            requests: 0,
            in_flight: Vec::new(),
            existence,
            usage: None,
        }
    }

    #[test]
    fn the_kernel_says_whether_a_process_can_serve() {
        for (stat, expected) in [
            (None, Existence::Dead),
            (Some(("uwsgi", 'Z', 5)), Existence::Dead),
            (Some(("uwsgi", 'S', 1)), Existence::Dead),
            (Some(("uwsgi", 'T', 5)), Existence::Stopped),
            (Some(("uwsgi", 't', 5)), Existence::Alive),
            (Some(("uwsgi-ending", 'S', 5)), Existence::Ending),
            (Some(("uwsgi-ending", 'Z', 5)), Existence::Dead),
            (Some(("uwsgi", 'R', 5)), Existence::Alive),
        ] {
            assert_eq!(Existence::of(stat, 5), expected, "{stat:?}");
        }
    }

    #[test]
    fn a_dead_process_serves_nothing() {
        let mut worker = worker(7, true, Existence::Dead);
        worker.in_flight.push(InFlight {
            id: "r".into(),
            method: "GET".into(),
            path: "/".into(),
            websocket: false,
            started: 13,
            entered: Some(10_900),
        });
        let status = |worker: &Worker| {
            let serving = worker.serving().iter().map(|request| request.status(5));
            worker.status(serving.collect(), ProcessFigures::default())
        };
        assert_eq!(status(&worker).state, WorkerState::Dead);
        assert!(status(&worker).serving.is_empty());
        worker.existence = Existence::Alive;
        assert_eq!(status(&worker).state, WorkerState::Busy);
        assert_eq!(status(&worker).serving[0].queue_seconds, Some(2));
    }

    #[test]
    fn why_none_serves() {
        use Existence::{Alive, Dead, Ending, Stopped};
        let check = |list: &[(bool, Existence)], expected: Option<&str>| {
            let workers: Vec<Worker> = list
                .iter()
                .map(|(accepting, existence)| worker(7, *accepting, *existence))
                .collect();
            assert_eq!(none_serves(&workers).as_deref(), expected);
        };
        check(&[(true, Dead), (true, Alive)], None);
        check(
            &[(true, Ending), (true, Ending), (true, Ending)],
            Some(
                "3 of 3 processes are ending: threads or exit handlers of the application still run",
            ),
        );
        check(
            &[(true, Dead), (true, Dead)],
            Some("uwsgi has no process that serves"),
        );
        check(
            &[(true, Dead), (true, Stopped), (false, Alive)],
            Some(
                "1 of 3 processes is stopped by a signal (SIGSTOP); 1 of 3 processes is dead; 1 of 3 processes is starting",
            ),
        );
    }
}
