//! One thread of the launcher as another user towards files (setfsuid(2)).
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use super::files::{self, Owner, WriteError};

/// Does something with the rights of the user to whom a folder belongs: what that user may have put there, such as a link
/// to a file or a socket of root, is of no more use than to that user itself. A launcher that is not root has no other
/// rights anyway. The folder itself must not be a link.
pub(crate) fn as_owner_of<T>(folder: &Path, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let owner = folder
        .symlink_metadata()
        .ok()
        .map(|meta| (meta.uid(), meta.gid()))
        .filter(|(uid, _)| *uid != 0 && nix::unistd::geteuid().is_root());
    let _as_owner = owner.map(FileUser::become_owner).transpose()?;
    act()
}

/// Removes a file with the rights of the user to whom its folder belongs. A path that does not exist is no error.
pub(crate) fn remove_as_owner(path: &Path) -> Result<(), WriteError> {
    let folder = path.parent().unwrap_or(path);
    let removed = as_owner_of(folder, || files::remove(path).map_err(|error| error.source));
    removed.map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// This thread as another user towards files, until it is dropped: it may look at what that user may (without the
/// capability SYS_PTRACE, which containers lack, root may not look at the descriptors of other users: ptrace(2), "Ptrace
/// access mode checking"), and can do no more harm than that user. The launcher has no supplementary groups
/// (`sys::rights`), which would stay in force.
pub(super) struct FileUser {
    uid: Uid,
    gid: Gid,
}

impl FileUser {
    pub(super) fn become_owner((uid, gid): Owner) -> io::Result<Self> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        // The group first: without root's rights it cannot be changed.
        let before = Self {
            gid: setfsgid(gid),
            uid: setfsuid(uid),
        };
        // The calls do not tell whether they have worked, but the user before (setfsuid(2), "Bugs").
        if setfsuid(uid) == uid && setfsgid(gid) == gid {
            return Ok(before);
        }
        Err(io::Error::other(format!(
            "the launcher cannot act as the user {uid}"
        )))
    }
}

impl Drop for FileUser {
    fn drop(&mut self) {
        setfsuid(self.uid);
        setfsgid(self.gid);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_another_user_links_to_is_opened_with_that_users_rights() {
        assert!(nix::unistd::geteuid().is_root(), "run the tests as root");
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let (theirs, secret) = (dir.path().join("theirs"), dir.path().join("secret"));
        std::fs::create_dir(&theirs).unwrap();
        std::fs::write(&secret, "of root").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&secret, theirs.join("link")).unwrap();
        let read = || std::fs::read_to_string(theirs.join("link"));
        as_owner_of(&theirs, read).unwrap();
        std::os::unix::fs::chown(&theirs, Some(65_534), Some(65_534)).unwrap();
        let error = as_owner_of(&theirs, read).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        assert_eq!(
            read().unwrap(),
            "of root",
            "the rights are the launcher's again"
        );
    }
}
