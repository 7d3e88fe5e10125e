//! Reads the CPU quota and memory limit of the launcher's control group, for cgroup v2 and v1.
//!
//! The effective limit is the smallest one from the launcher's group up to the root, because a parent may be stricter
//! (cgroups(7); Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst).

use std::path::Path;

use crate::sys::cgroup::{bytes, folders};

/// The effective limits of the control group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// In CPUs, such as 1.5; none without a quota.
    pub cpus: Option<f64>,
    /// In bytes; none without a limit.
    pub memory: Option<u64>,
}

/// Reads the limits. `root` is `/` except in tests.
pub(crate) fn limits(root: &Path) -> Limits {
    let read = |path: &Path| {
        std::fs::read_to_string(root.join(path.strip_prefix("/").unwrap_or(path))).ok()
    };
    let Some(groups) = read(Path::new("/proc/self/cgroup")) else {
        return Limits::default();
    };
    let mut limits = Limits::default();
    for folder in folders(&groups, "") {
        limits.cpus = min_cpus(
            limits.cpus,
            read(&folder.join("cpu.max"))
                .as_deref()
                .and_then(parse_cpu_max),
        );
        limits.memory = min_memory(
            limits.memory,
            read(&folder.join("memory.max")).as_deref().and_then(bytes),
        );
    }
    for folder in folders(&groups, "cpu") {
        let quota = read(&folder.join("cpu.cfs_quota_us"));
        let period = read(&folder.join("cpu.cfs_period_us"));
        limits.cpus = min_cpus(
            limits.cpus,
            quota.zip(period).and_then(|(q, p)| parse_cfs(&q, &p)),
        );
    }
    for folder in folders(&groups, "memory") {
        let limit = read(&folder.join("memory.limit_in_bytes"))
            .as_deref()
            .and_then(bytes);
        limits.memory = min_memory(limits.memory, limit);
    }
    limits
}

/// Parses `cpu.max`: "max 100000" or "150000 100000".
pub(crate) fn parse_cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    parse_cfs(quota, period)
}

/// Quota and period are in microseconds; "max" and -1 mean that there is no quota.
fn parse_cfs(quota: &str, period: &str) -> Option<f64> {
    let quota: f64 = quota.trim().parse().ok()?;
    let period: f64 = period.trim().parse().ok()?;
    let cpus = quota / period;
    // The kernel writes whole numbers; "inf" and the like are numbers for Rust.
    (quota > 0.0 && period > 0.0 && cpus.is_normal()).then_some(cpus)
}

fn min_cpus(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

fn min_memory(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], cpus: Option<f64>, memory: Option<u64>) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        assert_eq!(limits(dir.path()), Limits { cpus, memory });
    }

    #[test]
    fn version_2() {
        let own = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/memory.max", "536870912\n"),
        ];
        check(&own, Some(1.5), Some(536_870_912));
        let none = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
        ];
        check(&none, None, None);
        for foreign in ["inf 100000\n", "100000 inf\n", "NaN 1\n"] {
            let files = [
                ("proc/self/cgroup", "0::/\n"),
                ("sys/fs/cgroup/cpu.max", foreign),
            ];
            check(&files, None, None);
        }
    }

    #[test]
    fn a_parent_may_be_stricter() {
        let files = [
            ("proc/self/cgroup", "0::/kubepods/pod1/c1\n"),
            ("sys/fs/cgroup/kubepods/pod1/c1/cpu.max", "400000 100000\n"),
            ("sys/fs/cgroup/kubepods/pod1/cpu.max", "200000 100000\n"),
            ("sys/fs/cgroup/kubepods/memory.max", "1073741824\n"),
        ];
        check(&files, Some(2.0), Some(1_073_741_824));
    }

    #[test]
    fn version_1() {
        let files = [
            (
                "proc/self/cgroup",
                "9:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
            ),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            (
                "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes",
                "268435456\n",
            ),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        check(&files, Some(0.5), Some(268_435_456));
        let unlimited = [
            ("proc/self/cgroup", "3:cpu,cpuacct:/\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        check(&unlimited, None, None);
    }

    #[test]
    fn without_cgroups_there_are_no_limits() {
        check(&[], None, None);
    }
}
