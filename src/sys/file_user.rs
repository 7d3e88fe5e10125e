//! One thread of the launcher as another user towards files (setfsuid(2)).
#![forbid(unsafe_code)]

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use super::files::Owner;

/// This thread as another user towards files, until it is dropped: it may look at what that user may (without the
/// capability SYS_PTRACE, which containers lack, root may not look at the descriptors of other users: ptrace(2), "Ptrace
/// access mode checking"), and can do no more harm than that user.
pub(super) struct FileUser {
    uid: Uid,
    gid: Gid,
}

impl FileUser {
    pub(super) fn become_owner((uid, gid): Owner) -> Self {
        // The group first: without root's rights it cannot be changed.
        let gid = setfsgid(Gid::from_raw(gid));
        let uid = setfsuid(Uid::from_raw(uid));
        Self { uid, gid }
    }
}

impl Drop for FileUser {
    fn drop(&mut self) {
        setfsuid(self.uid);
        setfsgid(self.gid);
    }
}
