//! The memory of control groups, for cgroup v2 and v1: limit, use, and how many processes the kernel has killed for it.
//!
//! Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst describe the files.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The memory of the group of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupMemory {
    /// The strictest limit from the group up to the root, in bytes; none without a limit.
    pub(crate) limit: Option<u64>,
    /// The most that was used in the group with this limit, in bytes; where the kernel does not keep that, what is used
    /// now.
    pub(crate) used: Option<u64>,
    /// What is used in that group now, in bytes; without a limit, in the group itself.
    pub(crate) now: Option<u64>,
    /// The part of it that cannot be taken back without loss: all but the files that were not used lately. The kernel fills
    /// a group with files up to its limit, which is no lack of memory.
    pub(crate) working_set: Option<u64>,
}

/// How many processes of a group the kernel has killed for memory, whichever limit they had reached. With cgroup v2, that
/// includes the groups below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OomKills {
    /// The folder of the group.
    pub(crate) group: PathBuf,
    pub(crate) count: u64,
}

/// The names of the files of one version.
struct Files {
    controller: &'static str,
    limit: &'static str,
    peak: &'static str,
    current: &'static str,
    /// In memory.stat.
    droppable: &'static str,
    kills: &'static str,
}

const VERSIONS: [Files; 2] = [
    Files {
        controller: "",
        limit: "memory.max",
        peak: "memory.peak",
        current: "memory.current",
        droppable: "inactive_file ",
        kills: "memory.events",
    },
    Files {
        controller: "memory",
        limit: "memory.limit_in_bytes",
        peak: "memory.max_usage_in_bytes",
        current: "memory.usage_in_bytes",
        droppable: "total_inactive_file ",
        kills: "memory.oom_control",
    },
];

/// Folders of a process's group and its parents, for one controller (v1) or the unified hierarchy (empty name). `groups`
/// is the content of its /proc/PID/cgroup.
///
/// Inside a container that path may be the host's while /sys/fs/cgroup shows the container's own group at its root, so
/// some of these folders may not exist.
pub(crate) fn folders(groups: &str, controller: &str) -> Vec<PathBuf> {
    let path = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        let found = if controller.is_empty() {
            names.is_empty()
        } else {
            names.split(',').any(|name| name == controller)
        };
        found.then_some(path)
    });
    let Some(path) = path else {
        return Vec::new();
    };
    let mount = Path::new("/sys/fs/cgroup").join(controller);
    let relative = path.trim_start_matches('/');
    let mut folders: Vec<PathBuf> = Path::new(relative)
        .ancestors()
        .filter(|p| !p.components().any(|part| part.as_os_str() == ".."))
        .map(|p| mount.join(p))
        .collect();
    if folders.is_empty() {
        folders.push(mount);
    }
    folders
}

/// Limit and use of the group of `process`, a number or `self`. `root` is `/` except in tests.
pub(crate) fn memory(root: &Path, process: &str) -> GroupMemory {
    let groups = groups(root, process);
    let mut found = GroupMemory::default();
    for files in &VERSIONS {
        for folder in folders(&groups, files.controller) {
            let number = |name: &str| bytes(&read(root, &folder.join(name))?);
            let limit = number(files.limit);
            let is_stricter =
                limit.is_some_and(|limit| found.limit.is_none_or(|strictest| limit < strictest));
            let now = number(files.current);
            if is_stricter || (found.limit.is_none() && found.now.is_none()) {
                let stat = read(root, &folder.join("memory.stat")).unwrap_or_default();
                let mut lines = stat.lines();
                let files_in = lines.find_map(|line| bytes(line.strip_prefix(files.droppable)?));
                found = GroupMemory {
                    limit,
                    used: limit.and(number(files.peak).or(now)),
                    now,
                    working_set: now.map(|now| now.saturating_sub(files_in.unwrap_or(0))),
                };
            }
        }
    }
    found
}

/// For how long the processes in the group of `process` have waited because it had used up its CPU time (cpu.stat:
/// `throttled_usec` with cgroup v2, `throttled_time` in nanoseconds with v1). None: it has no such limit.
pub(crate) fn throttled(root: &Path, process: &str) -> Option<Duration> {
    let groups = groups(root, process);
    let of = |controller: &str, name: &str| {
        let mut folders = folders(&groups, controller).into_iter();
        folders.find_map(|folder| {
            let text = read(root, &folder.join("cpu.stat"))?;
            let number = |line: &str| line.strip_prefix(name)?.trim().parse::<u64>().ok();
            text.lines().find_map(number)
        })
    };
    let micros = of("", "throttled_usec").map(Duration::from_micros);
    micros
        .or_else(|| of("cpu", "throttled_time").map(Duration::from_nanos))
        .or_else(|| of("cpu,cpuacct", "throttled_time").map(Duration::from_nanos))
}

/// The kills in the group of `process`, a number or `self`; none where the kernel does not count them.
pub(crate) fn oom_kills(root: &Path, process: &str) -> Option<OomKills> {
    let groups = groups(root, process);
    VERSIONS.iter().find_map(|files| {
        // The first that exists is the group's own, or the root of what a container sees. A parent also counts the kills
        // of others.
        let mut folders = folders(&groups, files.controller).into_iter();
        let group = folders.find(|folder| is_folder(root, folder))?;
        let text = read(root, &group.join(files.kills))?;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())?;
        Some(OomKills { group, count })
    })
}

/// Empty when there is no such process or no control group.
fn groups(root: &Path, process: &str) -> String {
    read(root, &Path::new("/proc").join(process).join("cgroup")).unwrap_or_default()
}

fn is_folder(root: &Path, path: &Path) -> bool {
    root.join(path.strip_prefix("/").unwrap_or(path)).is_dir()
}

fn read(root: &Path, path: &Path) -> Option<String> {
    std::fs::read_to_string(root.join(path.strip_prefix("/").unwrap_or(path))).ok()
}

/// "max" (v2) and a huge number rounded to pages (v1) mean that there is no limit.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let bytes: u64 = text.trim().parse().ok()?;
    (bytes < 1 << 60).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], memory_is: (Option<u64>, Option<u64>), kills: Option<u64>) {
        let host = host(files);
        let found = memory(host.path(), "7");
        assert_eq!((found.limit, found.used), memory_is);
        let found = oom_kills(host.path(), "7").map(|kills| kills.count);
        assert_eq!(found, kills);
    }

    #[test]
    fn version_2() {
        let group = "sys/fs/cgroup/pod/c1";
        let files = [
            ("proc/7/cgroup", "0::/pod/c1\n"),
            (&format!("{group}/memory.max"), "1000\n"),
            (&format!("{group}/memory.peak"), "999\n"),
            (&format!("{group}/memory.current"), "400\n"),
            (
                &format!("{group}/memory.events"),
                "low 0\nhigh 0\nmax 9\noom 2\noom_kill 3\noom_group_kill 0\n",
            ),
        ];
        check(&files, (Some(1000), Some(999)), Some(3));
        // Before Linux 5.19 there is no peak.
        let files = [files[0], files[1], files[3], files[4]];
        check(&files, (Some(1000), Some(400)), Some(3));
    }

    #[test]
    fn the_strictest_group_has_the_limit_and_the_nearest_the_kills() {
        let files = [
            ("proc/7/cgroup", "0::/pod/c1\n"),
            ("sys/fs/cgroup/pod/c1/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/c1/memory.current", "400\n"),
            ("sys/fs/cgroup/pod/c1/memory.events", "oom_kill 1\n"),
            ("sys/fs/cgroup/pod/memory.max", "500\n"),
            ("sys/fs/cgroup/pod/memory.current", "499\n"),
            ("sys/fs/cgroup/pod/memory.events", "oom_kill 4\n"),
        ];
        check(&files, (Some(500), Some(499)), Some(1));
    }

    #[test]
    fn version_1() {
        // In a container the path is the host's, and the mount shows the group itself.
        let files = [
            ("proc/7/cgroup", "4:memory:/docker/abc\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
            (
                "sys/fs/cgroup/memory/memory.max_usage_in_bytes",
                "268435000\n",
            ),
            (
                "sys/fs/cgroup/memory/memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
            ),
        ];
        check(&files, (Some(268_435_456), Some(268_435_000)), Some(5));
    }

    #[test]
    fn files_that_can_be_dropped_are_no_lack_of_memory() {
        let of = |files: &[(&str, &str)]| {
            let found = memory(host(files).path(), "7");
            (found.limit, found.now, found.working_set)
        };
        let v2 = [
            ("proc/7/cgroup", "0::/pod/c1\n"),
            ("sys/fs/cgroup/pod/c1/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/c1/memory.current", "300\n"),
            (
                "sys/fs/cgroup/pod/c1/memory.stat",
                "anon 9\ninactive_file 100\n",
            ),
            ("sys/fs/cgroup/pod/memory.max", "500\n"),
            ("sys/fs/cgroup/pod/memory.current", "499\n"),
            (
                "sys/fs/cgroup/pod/memory.stat",
                "inactive_anon 7\ninactive_file 400\n",
            ),
        ];
        // The use is that of the group with the limit.
        assert_eq!(of(&v2), (Some(500), Some(499), Some(99)));
        assert_eq!(of(&v2[..4]), (None, Some(300), Some(200)));
        let v1 = [
            ("proc/7/cgroup", "4:memory:/c1\n"),
            ("sys/fs/cgroup/memory/c1/memory.limit_in_bytes", "500\n"),
            ("sys/fs/cgroup/memory/c1/memory.usage_in_bytes", "450\n"),
            (
                "sys/fs/cgroup/memory/c1/memory.stat",
                "inactive_file 1\ntotal_inactive_file 50\n",
            ),
        ];
        assert_eq!(of(&v1), (Some(500), Some(450), Some(400)));
    }

    #[test]
    fn waits_for_cpu_time() {
        let of = |files: &[(&str, &str)]| throttled(host(files).path(), "7");
        let v2 = [
            ("proc/7/cgroup", "0::/c1\n"),
            (
                "sys/fs/cgroup/c1/cpu.stat",
                "usage_usec 9\nthrottled_usec 1500000\n",
            ),
        ];
        assert_eq!(of(&v2), Some(Duration::from_millis(1500)));
        let v1 = [
            ("proc/7/cgroup", "4:cpu,cpuacct:/docker/abc\n0::/\n"),
            (
                "sys/fs/cgroup/cpu/cpu.stat",
                "nr_throttled 1\nthrottled_time 2000000000\n",
            ),
        ];
        assert_eq!(of(&v1), Some(Duration::from_secs(2)));
        assert_eq!(of(&v1[..1]), None);
    }

    #[test]
    fn without_groups_nothing_is_known() {
        check(&[], (None, None), None);
        // Before Linux 4.13 the kills are not counted.
        let files = [
            ("proc/7/cgroup", "4:memory:/\n"),
            (
                "sys/fs/cgroup/memory/memory.oom_control",
                "oom_kill_disable 0\n",
            ),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        check(&files, (None, None), None);
    }
}
