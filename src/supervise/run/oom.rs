//! Notices that the kernel has killed a process of the service for memory.
//!
//! The kernel counts such kills for each control group, and counts before it kills. So when a process was killed by
//! SIGKILL and the count has risen since the last look, the kernel was it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Pid;

use crate::supervise::uptime::Uptime;
use crate::sys::cgroup::{self, GroupMemory};

/// The end of a process is known this long after the kernel has killed it, at the latest. What has killed another process
/// by then is no process that the launcher knows.
const KNOWN_AFTER: Duration = Duration::from_secs(10);

/// The kills in the control groups of the launcher and of its children, which may have groups of their own.
#[derive(Debug)]
pub(super) struct OomWatch {
    /// The file system's root, except in tests.
    root: PathBuf,
    /// The counts at the last look.
    counts: Vec<cgroup::OomKills>,
    /// Kills whose process is not known yet, the oldest first.
    open: Vec<Uptime>,
}

impl OomWatch {
    /// Kills count from now on.
    pub(super) fn new(root: &Path) -> Self {
        let mut watch = Self {
            root: root.to_owned(),
            counts: Vec::new(),
            open: Vec::new(),
        };
        watch.look(&[], Uptime::default());
        watch
    }

    /// Looks at the counts of the launcher and of these processes. Returns how many kills have remained without a process
    /// for too long.
    pub(super) fn look(&mut self, processes: &[Pid], now: Uptime) -> usize {
        let others = processes.iter().map(ToString::to_string);
        let mut rise = 0;
        for process in std::iter::once("self".to_owned()).chain(others) {
            let Some(kills) = cgroup::oom_kills(&self.root, &process) else {
                continue;
            };
            let known = self
                .counts
                .iter_mut()
                .find(|known| known.group == kills.group);
            if let Some(known) = known {
                // With cgroup v2, a group counts those below it as well.
                rise = rise.max(kills.count.saturating_sub(known.count));
                known.count = kills.count;
            } else {
                self.counts.push(kills);
            }
        }
        for _ in 0..rise {
            self.open.push(now);
        }
        let before = self.open.len();
        self.open.retain(|since| now.since(*since) < KNOWN_AFTER);
        before - self.open.len()
    }

    /// Whether the kernel has killed a process that is not accounted for yet; accounts for it.
    pub(super) fn take(&mut self, processes: &[Pid], now: Uptime) -> bool {
        self.look(processes, now);
        if self.open.is_empty() {
            return false;
        }
        self.open.remove(0);
        true
    }

    /// The memory that the launcher and its children may use, and have used.
    pub(super) fn memory(&self) -> GroupMemory {
        cgroup::memory(&self.root, "self")
    }
}

/// Limit and use as text for operators.
pub(super) fn describe(memory: &GroupMemory) -> String {
    match (memory.limit, memory.used) {
        (Some(limit), Some(used)) => format!(
            "the control group may use {}, and has used {}",
            mebibytes(limit),
            mebibytes(used)
        ),
        (Some(limit), None) => format!("the control group may use {}", mebibytes(limit)),
        (None, _) => "the control group has no limit, so the machine had none left".to_owned(),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Uptime {
        Uptime(Duration::from_secs(seconds))
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn each_kill_accounts_for_one_process() {
        let root = tempfile::tempdir().unwrap();
        let kills = |count: u64| {
            let text = format!("oom 9\noom_kill {count}\n");
            write(root.path(), "sys/fs/cgroup/c1/memory.events", &text);
        };
        write(root.path(), "proc/self/cgroup", "0::/c1\n");
        // Kills before the start are none of ours.
        kills(5);
        let mut watch = OomWatch::new(root.path());
        assert!(!watch.take(&[], at(1)));
        kills(7);
        assert!(watch.take(&[], at(2)));
        assert!(watch.take(&[], at(3)));
        assert!(!watch.take(&[], at(4)));
        kills(8);
        assert_eq!(watch.look(&[], at(5)), 0);
        assert_eq!(watch.look(&[], at(15)), 1);
        assert!(!watch.take(&[], at(15)));
    }

    #[test]
    fn a_child_may_have_a_group_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let child = Pid::from_raw(7);
        write(root.path(), "proc/self/cgroup", "4:memory:/c1\n");
        write(root.path(), "proc/7/cgroup", "4:memory:/c1/app\n");
        let folder = "sys/fs/cgroup/memory/c1";
        let control = |group: &str, count: u64| {
            let text = format!("under_oom 0\noom_kill {count}\n");
            write(
                root.path(),
                &format!("{folder}{group}/memory.oom_control"),
                &text,
            );
        };
        control("", 0);
        control("/app", 3);
        let mut watch = OomWatch::new(root.path());
        watch.look(&[child], at(1));
        assert!(!watch.take(&[child], at(2)));
        control("/app", 4);
        assert!(watch.take(&[child], at(3)));
        assert!(!watch.take(&[child], at(4)));
    }

    #[test]
    fn limit_and_use_in_words() {
        let memory = |limit, used| GroupMemory {
            limit,
            used,
            ..GroupMemory::default()
        };
        assert_eq!(
            describe(&memory(Some(64 << 20), Some(63 << 20))),
            "the control group may use 64 MiB, and has used 63 MiB"
        );
        assert_eq!(
            describe(&memory(None, None)),
            "the control group has no limit, so the machine had none left"
        );
    }
}
