//! Another user, as whom a process is started.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use nix::unistd::{Gid, Uid};

/// A user with all its groups, looked up before the fork (reading /etc/group after it is not safe).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Credentials {
    /// Looks up the supplementary groups of a user; without an entry in /etc/group it has only `gid`.
    pub(crate) fn of(name: &str, uid: u32, gid: u32) -> Self {
        let gid = Gid::from_raw(gid);
        let groups = std::ffi::CString::new(name)
            .ok()
            .and_then(|name| nix::unistd::getgrouplist(&name, gid).ok())
            .unwrap_or_else(|| vec![gid]);
        Self {
            uid: Uid::from_raw(uid),
            gid,
            groups,
        }
    }

    /// Lets the user open a pipe of the launcher again by name, such as /dev/stdout.
    pub(crate) fn give(&self, pipe: impl AsFd) -> nix::Result<()> {
        nix::unistd::fchown(pipe, Some(self.uid), Some(self.gid))
    }

    /// Whether this is user 0.
    pub(crate) fn is_root(&self) -> bool {
        self.uid.is_root()
    }

    /// Makes the calling process this user, for ever. Allocates nothing.
    pub(super) fn assume(&self) -> nix::Result<()> {
        nix::unistd::setgroups(&self.groups)?;
        nix::unistd::setgid(self.gid)?;
        nix::unistd::setuid(self.uid)
    }
}
