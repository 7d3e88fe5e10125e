//! Accounts for the ends of the application's processes: counts them by cause, and logs those for which the kernel is to
//! blame.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::oom::{self, OomWatch};
use crate::logs::record::WorkerEvent;
use crate::status::RequestStatus;
use crate::supervise::in_flight::describe_oldest;
use crate::supervise::program::WatchdogFinding;
use crate::supervise::uptime::Uptime;
use crate::supervise::worker_exits::{ExitCause, OutOfMemory, WorkerExits};
use crate::sys::reap::Exit;

/// Interval between two looks at what is to be logged.
pub(super) const TICK: Duration = Duration::from_secs(3);
/// Interval between two looks at the control groups for kills that nobody has asked about.
const LOOK: Duration = Duration::from_secs(5);
/// A process tells of a timeout so long before the launcher ends it, at the most.
const TELLS_BEFORE: Duration = Duration::from_secs(10);
/// Processes that are remembered.
const REMEMBERED: usize = 64;
/// How long the record about a process waits for the watchdog to tell which requests were in it.
const WAIT_FOR_REQUESTS: Duration = Duration::from_millis(2500);

/// The account of one run.
#[derive(Debug)]
pub(super) struct WorkerAccount {
    exits: WorkerExits,
    oom: OomWatch,
    /// The requests that were in dead processes, the newest last.
    served: VecDeque<(i32, Vec<RequestStatus>)>,
    /// Killed for memory, and not logged yet.
    unlogged: Vec<(OutOfMemory, Uptime)>,
    /// When the control groups were looked at last.
    looked: Uptime,
    timeouts: u64,
    /// Processes that have told of a timeout themselves, the newest last.
    told: VecDeque<(i32, Uptime)>,
}

impl WorkerAccount {
    pub(super) fn new() -> Self {
        Self {
            exits: WorkerExits::default(),
            oom: OomWatch::new(Path::new("/")),
            served: VecDeque::new(),
            unlogged: Vec::new(),
            looked: Uptime::default(),
            timeouts: 0,
            told: VecDeque::new(),
        }
    }

    /// How many have ended, by cause.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.exits.counts()
    }

    /// How many have ended of each worker, by cause.
    pub(super) fn counts_by_worker(&self) -> BTreeMap<u32, BTreeMap<String, u64>> {
        self.exits.by_worker()
    }

    /// How many requests ran for longer than they may. A process tells of each; of one that cannot, because it is in a call
    /// that Python cannot interrupt, its end tells.
    pub(super) fn timeouts(&self) -> u64 {
        self.timeouts
    }

    /// The launcher kills a process.
    pub(super) fn killed(&mut self, pid: Pid, cause: ExitCause, now: Uptime) {
        self.exits.expect(pid.as_raw(), cause, now);
    }

    /// A generation with so many processes is replaced.
    pub(super) fn reload(&mut self, processes: usize) {
        self.exits.reload(processes);
    }

    /// Takes an event from the log. With several threads in a process, a timeout does not end it.
    pub(super) fn on_event(
        &mut self,
        event: WorkerEvent,
        threads: u32,
        mains: &[Pid],
        now: Uptime,
    ) {
        if let WorkerEvent::TimedOut { pid } = event {
            self.timeouts += 1;
            if self.told.len() >= REMEMBERED {
                self.told.pop_front();
            }
            self.told.push_back((pid, now));
        }
        if threads > 1 && matches!(event, WorkerEvent::TimedOut { .. }) {
            return;
        }
        let oom = &mut self.oom;
        let killed = self.exits.on_event(event, now, || oom.take(mains, now));
        self.log_later(killed, now);
    }

    /// Takes a finding of the watchdog.
    pub(super) fn on_finding(&mut self, finding: &WatchdogFinding, mains: &[Pid], now: Uptime) {
        match finding {
            WatchdogFinding::WorkerEnded { pid, serving } => {
                if self.served.len() >= REMEMBERED {
                    self.served.pop_front();
                }
                self.served.push_back((pid.as_raw(), serving.clone()));
                self.log_known(now);
            }
            WatchdogFinding::WorkerLost {
                worker,
                pid,
                signal,
                was_ending,
            } => {
                let oom = &mut self.oom;
                let pid = pid.as_raw();
                let killed = self
                    .exits
                    .lost(*worker, pid, *signal, *was_ending, now, || {
                        oom.take(mains, now)
                    });
                self.log_later(killed, now);
            }
            WatchdogFinding::Overdue { pid, .. } => {
                let told = |(known, at): &(i32, Uptime)| {
                    *known == pid.as_raw() && now.since(*at) < TELLS_BEFORE
                };
                if !self.told.iter().any(told) {
                    self.timeouts += 1;
                }
                self.killed(*pid, ExitCause::Timeout, now);
            }
            WatchdogFinding::Hung { .. } | WatchdogFinding::Damaged | WatchdogFinding::Wish(_) => {}
        }
    }

    /// How a main process has ended: as the kernel says, or for memory. `was_killed`: the launcher has done it.
    pub(super) fn exit_of_main(
        &mut self,
        exit: Exit,
        was_killed: bool,
        mains: &[Pid],
        now: Uptime,
    ) -> Exit {
        let by_kill = exit == Exit::Signal(Signal::SIGKILL as i32);
        if by_kill && !was_killed && self.oom.take(mains, now) {
            let memory = self.oom.memory();
            Exit::OutOfMemory {
                limit: memory.limit,
                used: memory.used,
            }
        } else {
            exit
        }
    }

    /// To be called every [`TICK`].
    pub(super) fn tick(&mut self, mains: &[Pid], now: Uptime) {
        self.log_known(now);
        if now.since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        let unknown = self.oom.look(mains, now);
        if unknown > 0 {
            let memory = self.oom.memory();
            tracing::warn!(
                processes = unknown,
                memory_limit = memory.limit,
                memory_used = memory.used,
                "Out of memory: the kernel has killed a process of the service that the launcher does not know; {}.",
                oom::describe(&memory)
            );
        }
    }

    fn log_later(&mut self, killed: Option<OutOfMemory>, now: Uptime) {
        self.unlogged.extend(killed.map(|killed| (killed, now)));
        self.log_known(now);
    }

    /// Logs the processes whose requests are known, or will not be known any more.
    fn log_known(&mut self, now: Uptime) {
        let Self {
            unlogged,
            served,
            oom,
            ..
        } = self;
        unlogged.retain(|(killed, since)| {
            let known = served.iter().rev().find(|(pid, _)| *pid == killed.pid);
            let wait = known.is_none() && now.since(*since) < WAIT_FOR_REQUESTS;
            if !wait {
                log(*killed, known.map_or(&[], |(_, requests)| requests), oom);
            }
            wait
        });
    }
}

fn log(killed: OutOfMemory, requests: &[RequestStatus], oom: &OomWatch) {
    let memory = oom.memory();
    let one = match requests {
        [one] => Some(one),
        _ => None,
    };
    let serving = describe_oldest(requests)
        .map(|requests| format!("; it served {requests}"))
        .unwrap_or_default();
    tracing::error!(
        worker = killed.worker,
        pid = killed.pid,
        signal = Signal::SIGKILL as i32,
        request_id = one.map(|request| request.request_id.as_str()),
        method = one.map(|request| request.method.as_str()),
        path = one.map(|request| request.path.as_str()),
        memory_limit = memory.limit,
        memory_used = memory.used,
        hint = "raise the memory limit, or lower the number of processes (wsgi_worker_threads_count, wsgi_processes)",
        "Out of memory: the kernel has killed worker {}; {}{serving}.",
        killed.worker,
        oom::describe(&memory)
    );
}
