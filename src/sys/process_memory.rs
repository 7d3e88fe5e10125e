//! Memory and open files of a process, which only those learn who may trace it (proc(5), ptrace(2), "Ptrace access mode
//! checking").
#![forbid(unsafe_code)]

use std::os::unix::fs::MetadataExt as _;

use super::file_user::FileUser;
use super::procfs;

/// What a process holds. None: the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Proportional set size in bytes: pages that it shares with n others count for 1/(n+1).
    pub(crate) pss: Option<u64>,
    /// Open file descriptors.
    pub(crate) descriptors: Option<u64>,
}

/// Looks at a process, with the rights of its user: that user may, and root without the capability SYS_PTRACE may not. The
/// kernel looks at all pages of the process: 0.2 ms for one of 30 MiB.
pub(crate) fn look(pid: i32) -> Holdings {
    let folder = format!("/proc/{pid}");
    let owner = std::fs::metadata(&folder)
        .ok()
        .map(|process| (process.uid(), process.gid()))
        .filter(|(uid, _)| *uid != 0 && nix::unistd::geteuid().is_root());
    // Where the launcher cannot act as that user, nothing is known.
    let Ok(_as_owner) = owner.map(FileUser::become_owner).transpose() else {
        return Holdings::default();
    };
    let memory = std::fs::read_to_string(format!("{folder}/smaps_rollup"));
    let descriptors = procfs::descriptors(pid)
        .ok()
        .filter(|list| !list.is_empty());
    Holdings {
        pss: memory.ok().and_then(|text| parse(&text)),
        descriptors: descriptors.and_then(|list| u64::try_from(list.len()).ok()),
    }
}

/// The line `Pss: 1234 kB`.
fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_launcher_itself_holds() {
        let own = i32::try_from(std::process::id()).unwrap();
        let held = look(own);
        assert!(held.pss.is_some_and(|bytes| bytes > 100_000), "{held:?}");
        let before = held.descriptors.unwrap();
        let _files: Vec<_> = (0..100)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        assert!(look(own).descriptors.unwrap() > before, "{held:?}");
        assert_eq!(look(i32::MAX), Holdings::default());
        assert_eq!(
            parse("Rss:  5 kB\nPss:   7 kB\nPss_Anon: 1 kB\n"),
            Some(7168)
        );
        assert_eq!(parse("Pss: x kB"), None);
    }

    #[test]
    fn another_users_process_can_be_looked_at() {
        assert!(nix::unistd::geteuid().is_root(), "run the tests as root");
        let mut other = std::process::Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "sleep",
                "600",
            ])
            .spawn()
            .unwrap();
        let pid = i32::try_from(other.id()).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let is_sleep =
            || crate::sys::process_stat::read(pid).is_some_and(|stat| stat.name == "sleep");
        while !is_sleep() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        let held = look(pid);
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(held.pss.is_some() && held.descriptors.is_some(), "{held:?}");
        assert!(nix::unistd::geteuid().is_root());
    }
}
