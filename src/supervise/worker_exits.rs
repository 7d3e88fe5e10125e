//! How the processes of the application have ended: each end is counted once, with its cause. Pure.
//!
//! An end is learned from the program's log, which has a line for each successor and, for most ends, one before it. That
//! counts every end, also several within a moment, and those of processes that no poll has seen. Only what the program
//! never notices is counted from what the watchdog finds; if a line about it comes later, it is not counted again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::uptime::Uptime;
use crate::logs::record::WorkerEvent;

/// Processes that are remembered: as many as two generations may have, and more.
const REMEMBERED: usize = 4096;
/// A worker that is to end has ended after this time; later its end has another cause.
const EXPECTED_FOR: Duration = Duration::from_secs(60);
/// SIGKILL: the signal of the kernel's OOM killer.
const KILL: i32 = 9;

/// Why a process of the application has ended. The texts are labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCause {
    /// A signal, or an exit without having been asked to.
    Crash,
    /// The kernel has killed it, because memory had run out.
    Oom,
    /// Its request had run for longer than it may.
    Timeout,
    /// It has ended as it was configured to, for example after a number of requests.
    Recycled,
    /// The command `restart-worker`.
    Asked,
    /// A reload has replaced its generation.
    Reload,
}

impl ExitCause {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Crash,
        Self::Oom,
        Self::Timeout,
        Self::Recycled,
        Self::Asked,
        Self::Reload,
    ];

    /// The label in JSON and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Oom => "oom",
            Self::Timeout => "timeout",
            Self::Recycled => "recycled",
            Self::Asked => "asked",
            Self::Reload => "reload",
        }
    }
}

/// A process that the kernel has killed for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory {
    /// The number of the worker.
    pub(crate) worker: u32,
    pub(crate) pid: i32,
}

/// The counts, and what is needed to count each end once.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerExits {
    counts: BTreeMap<&'static str, u64>,
    /// The same for each worker, without the reloads. A number stays when its process is replaced.
    by_worker: BTreeMap<u32, BTreeMap<String, u64>>,
    /// Processes that were started, with the numbers of their workers, the oldest first.
    living: VecDeque<(i32, u32)>,
    /// Processes that are about to end, why, and since when.
    expected: Vec<(i32, ExitCause, Uptime)>,
    /// Workers whose end was counted, and whose successor was not reported yet.
    counted: Vec<u32>,
    /// Ends that were counted before the program has reported them, if it ever does.
    lost: Vec<(u32, i32)>,
}

impl WorkerExits {
    /// Remembers why a process will end.
    pub(crate) fn expect(&mut self, pid: i32, cause: ExitCause, now: Uptime) {
        self.expected
            .retain(|(other, _, since)| *other != pid && now.since(*since) < EXPECTED_FOR);
        self.expected.push((pid, cause, now));
    }

    /// The processes of a generation that is replaced end.
    pub(crate) fn reload(&mut self, processes: usize) {
        let processes = u64::try_from(processes).unwrap_or(u64::MAX);
        *self.counts.entry(ExitCause::Reload.as_str()).or_default() += processes;
    }

    /// Takes an event from the program's log. `oom` tells whether the kernel has killed a process for memory that is not
    /// accounted for yet. Returns a process that was killed for memory.
    pub(crate) fn on_event(
        &mut self,
        event: WorkerEvent,
        now: Uptime,
        oom: impl FnOnce() -> bool,
    ) -> Option<OutOfMemory> {
        match event {
            WorkerEvent::Spawned { worker, pid } => self.started(worker, pid),
            WorkerEvent::Respawned { worker, pid } => {
                self.replaced(worker, now);
                self.started(worker, pid);
            }
            WorkerEvent::TooLarge { pid } => self.expect(pid, ExitCause::Recycled, now),
            WorkerEvent::TimedOut { pid } => self.expect(pid, ExitCause::Timeout, now),
            WorkerEvent::Left { worker, pid } => {
                self.ended(worker, pid, || ExitCause::Recycled, now);
            }
            WorkerEvent::Died {
                worker,
                pid,
                signal,
            } => {
                let killed = || {
                    if signal == Some(KILL) && oom() {
                        ExitCause::Oom
                    } else {
                        ExitCause::Crash
                    }
                };
                let cause = self.ended(worker, pid, killed, now);
                return (cause == Some(ExitCause::Oom)).then_some(OutOfMemory { worker, pid });
            }
        }
        None
    }

    /// Counts an end that the program has not noticed; `signal` is none where the kernel does not tell it.
    pub(crate) fn lost(
        &mut self,
        worker: u32,
        pid: i32,
        signal: Option<i32>,
        was_ending: bool,
        now: Uptime,
        oom: impl FnOnce() -> bool,
    ) -> Option<OutOfMemory> {
        if !self.living.contains(&(pid, worker)) {
            return None;
        }
        self.living.retain(|(other, _)| *other != pid);
        self.lost.push((worker, pid));
        let cause = self.expected_cause(pid, now).unwrap_or_else(|| {
            if was_ending && signal.is_none() {
                ExitCause::Recycled
            } else if signal.is_none_or(|signal| signal == KILL) && oom() {
                ExitCause::Oom
            } else {
                ExitCause::Crash
            }
        });
        self.count(worker, cause);
        (cause == ExitCause::Oom).then_some(OutOfMemory { worker, pid })
    }

    /// All counts; every cause is named.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let count = |cause: ExitCause| {
            let count = self.counts.get(cause.as_str()).copied();
            (cause.as_str().to_owned(), count.unwrap_or_default())
        };
        ExitCause::ALL.into_iter().map(count).collect()
    }

    /// How many have ended of each worker, by cause; what has never happened is left out.
    pub(crate) fn by_worker(&self) -> BTreeMap<u32, BTreeMap<String, u64>> {
        self.by_worker.clone()
    }

    fn count(&mut self, worker: u32, cause: ExitCause) {
        *self.counts.entry(cause.as_str()).or_default() += 1;
        let of_worker = self.by_worker.entry(worker).or_default();
        *of_worker.entry(cause.as_str().to_owned()).or_default() += 1;
    }

    fn started(&mut self, worker: u32, pid: i32) {
        if self.living.len() >= REMEMBERED {
            self.living.pop_front();
        }
        self.living.push_back((pid, worker));
    }

    /// A line about the end of a process; the line about its successor follows.
    fn ended(
        &mut self,
        worker: u32,
        pid: i32,
        else_cause: impl FnOnce() -> ExitCause,
        now: Uptime,
    ) -> Option<ExitCause> {
        if self.counted.len() >= REMEMBERED {
            self.counted.remove(0);
        }
        self.counted.push(worker);
        self.living.retain(|(other, _)| *other != pid);
        if let Some(at) = self.lost.iter().position(|lost| *lost == (worker, pid)) {
            self.lost.remove(at);
            return None;
        }
        let cause = self.expected_cause(pid, now).unwrap_or_else(else_cause);
        self.count(worker, cause);
        Some(cause)
    }

    /// A line about a successor. Without a line about the end before it, the worker has left while it had no request.
    fn replaced(&mut self, worker: u32, now: Uptime) {
        if let Some(at) = self.counted.iter().position(|known| *known == worker) {
            self.counted.remove(at);
            return;
        }
        if let Some(at) = self.lost.iter().position(|(known, _)| *known == worker) {
            self.lost.remove(at);
            return;
        }
        let is_expected = |pid: i32| self.expected.iter().any(|(known, _, _)| *known == pid);
        let mut of_worker = self.living.iter().filter(|(_, number)| *number == worker);
        let expected = of_worker.clone().find(|(pid, _)| is_expected(*pid));
        let gone = expected.or_else(|| of_worker.next()).map(|(pid, _)| *pid);
        let cause = gone.and_then(|pid| {
            self.living.retain(|(other, _)| *other != pid);
            self.expected_cause(pid, now)
        });
        self.count(worker, cause.unwrap_or(ExitCause::Recycled));
    }

    fn expected_cause(&mut self, pid: i32, now: Uptime) -> Option<ExitCause> {
        let at = self
            .expected
            .iter()
            .position(|(known, _, _)| *known == pid)?;
        let (_, cause, since) = self.expected.remove(at);
        (now.since(since) < EXPECTED_FOR).then_some(cause)
    }
}

#[cfg(test)]
#[path = "worker_exits_tests.rs"]
mod tests;
