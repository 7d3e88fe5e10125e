//! Another user, as whom a process is started.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::AsFd;

use nix::unistd::{Gid, Uid};

use super::low_ports;

/// A user with all its groups, looked up before the fork (reading /etc/group after it is not safe).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    low_ports: bool,
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
            low_ports: false,
        }
    }

    /// The same user, who may also listen on ports below 1024.
    pub(crate) fn with_low_ports(self) -> Self {
        Self {
            low_ports: true,
            ..self
        }
    }

    /// Lets the user open a pipe of the launcher again by name, such as /dev/stdout.
    pub(crate) fn give(&self, pipe: impl AsFd) -> nix::Result<()> {
        nix::unistd::fchown(pipe, Some(self.uid), Some(self.gid))
    }

    /// Whether it has no capability at all: it is not root, and keeps none.
    pub(super) fn is_powerless(&self) -> bool {
        !self.uid.is_root() && !self.low_ports
    }

    /// Makes the calling process this user, for ever. Allocates nothing.
    pub(super) fn assume(&self) -> io::Result<()> {
        nix::unistd::setgroups(&self.groups)?;
        nix::unistd::setgid(self.gid)?;
        low_ports::set_user(self.uid, self.low_ports)
    }
}
