//! A control group with little memory, below the one of the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::port::free_port;
use crate::startup::skip;
use crate::wait::poll;

/// Removed when the last process in it has ended.
pub(crate) struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// None where no group can be made; that is said aloud. The parsers have tests that need none.
    pub(crate) fn new(mebibytes: u64) -> Option<Self> {
        match Self::create(mebibytes) {
            Ok(group) => Some(group),
            Err(why) => {
                skip(&format!(
                    "no control group for memory can be made here: {why}"
                ));
                None
            }
        }
    }

    fn create(mebibytes: u64) -> Result<Self, String> {
        let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let own = |controller: &str| {
            groups.lines().find_map(|line| {
                let (names, path) = line.split_once(':')?.1.split_once(':')?;
                (names == controller).then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let root = Path::new("/sys/fs/cgroup");
        let (parent, limit, swap) = match own("memory") {
            Some(path) => (
                root.join("memory").join(path),
                "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes",
            ),
            None => (
                root.join(own("").ok_or("the kernel has none")?),
                "memory.max",
                "memory.swap.max",
            ),
        };
        let group = Self(parent.join(format!("launcher-test-{}", free_port())));
        fs::create_dir(&group.0).map_err(|error| format!("{}: {error}", group.0.display()))?;
        let bytes = (mebibytes << 20).to_string();
        fs::write(group.0.join(limit), &bytes)
            .map_err(|error| format!("{limit} cannot be set: {error}"))?;
        let swap_is_memory_too = swap.starts_with("memory.memsw");
        // Without swap there is nothing to limit, and no such file.
        let _ = fs::write(
            group.0.join(swap),
            if swap_is_memory_too { &bytes } else { "0" },
        );
        Ok(group)
    }

    /// For [`crate::launcher::Launcher::through`]: enters the group and runs the rest.
    pub(crate) fn enter(&self) -> [String; 4] {
        [
            "sh".to_owned(),
            "-c".to_owned(),
            "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"".to_owned(),
            self.0.display().to_string(),
        ]
    }

    /// Moves processes into a group below this one.
    pub(crate) fn move_below(&self, pids: &[i32]) -> Self {
        let below = Self(self.0.join("below"));
        fs::create_dir(&below.0).unwrap();
        for pid in pids {
            fs::write(below.0.join("cgroup.procs"), pid.to_string()).unwrap();
        }
        below
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let removed = poll(Duration::from_secs(10), || fs::remove_dir(&self.0).ok());
        assert!(
            removed.is_some() || std::thread::panicking(),
            "{} is left behind",
            self.0.display()
        );
    }
}
