//! What the processes and the control group use, as the kernel tells it.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::status::{ProcessFigures, ResourceStatus};
use crate::sys::cgroup;
use crate::sys::process_memory::{self, Holdings};
use crate::sys::process_stat;

/// Interval between two looks while nobody watches: the kernel looks at all pages of a process, and at eight files of the
/// control group.
const INTERVAL: Duration = Duration::from_secs(10);
/// Interval between two looks at the control group while somebody does.
const GROUP_INTERVAL: Duration = Duration::from_secs(1);

/// What was seen last.
#[derive(Debug)]
pub(super) struct Meter {
    holdings: HashMap<i32, Holdings>,
    /// Where the round of the processes has come to.
    place: usize,
    kills_before: u64,
    throttled_before: Duration,
    group: ResourceStatus,
    looked: Option<Instant>,
    own: OwnUse,
}

/// The launcher's use of the CPU.
#[derive(Debug, Default)]
struct OwnUse {
    at: Option<(Instant, Duration)>,
    figures: ProcessFigures,
}

impl Meter {
    /// Kills and waits of the control group count from now on.
    pub(super) fn new() -> Self {
        let root = Path::new("/");
        Self {
            holdings: HashMap::new(),
            place: 0,
            kills_before: cgroup::oom_kills(root, "self").map_or(0, |kills| kills.count),
            throttled_before: cgroup::throttled(root, "self").unwrap_or_default(),
            group: ResourceStatus::default(),
            looked: None,
            own: OwnUse::default(),
        }
    }

    /// Looks at one of these processes, in turns, and at the control group: what a look costs does not grow with the
    /// number of processes. Less often while nobody watches.
    pub(super) fn look(&mut self, pids: &[i32], is_watched: bool) {
        if !is_watched && self.looked.is_some_and(|at| at.elapsed() < INTERVAL) {
            return;
        }
        let own = std::process::id().try_into().unwrap_or(0);
        // The launcher comes first: where workers are replaced again and again, one of them is always new.
        let workers = pids.iter().copied().filter(|pid| *pid > 0);
        let all: Vec<i32> = std::iter::once(own).chain(workers).collect();
        self.holdings.retain(|pid, _| all.contains(pid));
        self.place = (self.place + 1) % all.len();
        // A new process comes first: nothing is known of it.
        let next = all
            .iter()
            .find(|pid| !self.holdings.contains_key(pid))
            .unwrap_or(&all[self.place]);
        self.holdings.insert(*next, process_memory::look(*next));
        if self.looked.is_none_or(|at| at.elapsed() >= GROUP_INTERVAL) {
            self.looked = Some(Instant::now());
            self.look_at_group();
            self.own.look(own);
        }
        let own_holdings = self.holdings.get(&own).copied().unwrap_or_default();
        self.group.launcher = with(self.own.figures, own_holdings);
    }

    /// Looks at those of these processes of which nothing is known yet, for somebody who asks: it costs a millisecond for each,
    /// once.
    pub(super) fn look_at_new(&mut self, pids: &[i32]) {
        for pid in pids.iter().filter(|pid| **pid > 0) {
            let holdings = self.holdings.entry(*pid);
            holdings.or_insert_with(|| process_memory::look(*pid));
        }
    }

    /// The figures of a process, completed.
    pub(super) fn complete(&self, pid: i32, figures: ProcessFigures) -> ProcessFigures {
        let holdings = self.holdings.get(&pid).copied().unwrap_or_default();
        with(figures, holdings)
    }

    pub(super) fn resources(&self) -> ResourceStatus {
        self.group
    }

    fn look_at_group(&mut self) {
        let root = Path::new("/");
        let memory = cgroup::memory(root, "self");
        let kills = cgroup::oom_kills(root, "self").map_or(0, |kills| kills.count);
        let throttled = cgroup::throttled(root, "self");
        let launcher = self.group.launcher;
        self.group = ResourceStatus {
            memory_limit_bytes: memory.limit,
            memory_usage_bytes: memory.now,
            memory_working_set_bytes: memory.working_set,
            oom_kills: kills.saturating_sub(self.kills_before),
            cpu_throttled_seconds: throttled
                .map(|time| time.saturating_sub(self.throttled_before).as_secs_f64()),
            launcher,
        };
    }
}

impl OwnUse {
    fn look(&mut self, own: i32) {
        let Some(stat) = process_stat::read(own) else {
            return;
        };
        let now = Instant::now();
        let boot = process_stat::since_boot();
        let share = self.at.map(|(at, cpu)| {
            let used = stat.cpu.saturating_sub(cpu).as_secs_f64();
            used / now.duration_since(at).as_secs_f64().max(f64::EPSILON)
        });
        self.at = Some((now, stat.cpu));
        self.figures = ProcessFigures {
            age_seconds: boot.map(|boot| boot.saturating_sub(stat.started).as_secs_f64()),
            cpu_seconds: Some(stat.cpu.as_secs_f64()),
            cpu_share: share,
            threads: Some(stat.threads),
            rss_bytes: Some(stat.rss),
            ..ProcessFigures::default()
        };
    }
}

fn with(figures: ProcessFigures, holdings: Holdings) -> ProcessFigures {
    ProcessFigures {
        pss_bytes: holdings.pss,
        descriptors: holdings.descriptors,
        ..figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processes_are_looked_at_in_turns() {
        let mut children: Vec<_> = (0..3)
            .map(|_| {
                std::process::Command::new("sleep")
                    .arg("600")
                    .spawn()
                    .unwrap()
            })
            .collect();
        let pids: Vec<i32> = children
            .iter()
            .map(|child| child.id().try_into().unwrap())
            .collect();
        let mut meter = Meter::new();
        meter.look(&pids, true);
        assert!(meter.resources().launcher.pss_bytes.is_some(), "{meter:?}");
        for _ in &pids {
            meter.look(&pids, true);
        }
        let known = |meter: &Meter, pid| meter.complete(pid, ProcessFigures::default()).pss_bytes;
        assert!(
            pids.iter().all(|pid| known(&meter, *pid).is_some()),
            "{meter:?}"
        );
        let launcher = meter.resources().launcher;
        assert!(
            launcher.pss_bytes.is_some() && launcher.cpu_seconds.is_some(),
            "{launcher:?}"
        );
        let own = i32::try_from(std::process::id()).unwrap();
        let mut asked = Meter::new();
        asked.look_at_new(&[own, pids[0], 0]);
        assert!(known(&asked, own).is_some() && known(&asked, pids[0]).is_some());
        meter.look(&[], false);
        assert!(known(&meter, pids[0]).is_some(), "nobody watches");
        meter.look(&[], true);
        assert_eq!(known(&meter, pids[0]), None, "what has ended is forgotten");
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
