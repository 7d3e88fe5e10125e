//! Removes folders in which another user may have made anything: links, pipes, a million files, folders without end.
//!
//! Each folder is opened by its name in the open folder above it, and no link is followed, so that the walk cannot leave
//! the tree. What belongs to another user is removed with that user's rights. Depth (and with it the number of open
//! descriptors) and the number of entries are bounded: the launcher's loop waits for it.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::file_user::FileUser;
use super::files::{Owner, WriteError};
use super::folders::open_folder;

/// Folders below each other. What the launcher and its programs make has four.
const MAX_DEPTH: usize = 32;
/// Entries in all folders. What the launcher and its programs make has below a hundred.
const MAX_ENTRIES: usize = 10_000;
/// The beginning of the names of folders that could not be removed.
pub(crate) const LEFT_OVER: &str = "left-over-";

/// Removes a folder with its content, or what stands in its place. A path that does not exist is no error. What cannot be removed is renamed, so that
/// its name is free in any case; then the error tells the new name.
pub(crate) fn remove_folder(path: &Path) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    let error = match remove_any(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => error,
        Ok(()) | Err(_) => return Ok(()),
    };
    if is_left_over(path) {
        return Err(failed(error));
    }
    match move_aside(path) {
        Ok(aside) => Err(failed(io::Error::other(format!(
            "it cannot be removed ({error}) and is {} now",
            aside.display()
        )))),
        Err(_) => Err(failed(error)),
    }
}

/// Removes a folder that holds nothing but empty files, such as marks; any other stays as it is.
pub(crate) fn remove_if_bare(path: &Path) {
    let is_bare = |entry: io::Result<std::fs::DirEntry>| {
        let meta = entry.and_then(|entry| entry.metadata());
        meta.is_ok_and(|meta| meta.is_file() && meta.len() == 0)
    };
    let bare = std::fs::read_dir(path).is_ok_and(|mut entries| entries.all(is_bare));
    if bare && let Err(error) = remove_tree(path) {
        tracing::debug!(%error, path = %path.display(), "Cannot remove a folder.");
    }
}

/// Gives a path another name in its folder.
pub(crate) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let process = std::process::id();
    for number in 0..MAX_ENTRIES {
        let aside = path.with_file_name(format!("{LEFT_OVER}{name}-{process}-{number}"));
        if aside.symlink_metadata().is_err() {
            std::fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(Errno::EEXIST.into())
}

/// Whether a path is one that could not be removed before.
fn is_left_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(LEFT_OVER.as_bytes())
}

/// Removes what stands at a path; of a link, not what it leads to.
fn remove_any(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        remove_tree(path)
    } else {
        std::fs::remove_file(path)
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::EINVAL.into());
    };
    let parent = open_folder(parent)?;
    let name = std::ffi::CString::new(name.as_encoded_bytes()).map_err(io::Error::other)?;
    let mut walk = Walk {
        entries_left: MAX_ENTRIES,
    };
    Ok(walk.remove(&parent, &name, MAX_DEPTH, None)?)
}

struct Walk {
    entries_left: usize,
}

impl Walk {
    /// Removes the folder `name` in `parent`. `user`: whose rights are in use already.
    fn remove(
        &mut self,
        parent: &OwnedFd,
        name: &CStr,
        depth_left: usize,
        user: Option<Owner>,
    ) -> nix::Result<()> {
        if depth_left == 0 {
            return Err(Errno::ENAMETOOLONG);
        }
        let launcher = nix::unistd::geteuid();
        let stat = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let other = (launcher.is_root() && user.is_none() && stat.st_uid != launcher.as_raw())
            .then_some((stat.st_uid, stat.st_gid));
        {
            let _as_owner = other
                .map(FileUser::become_owner)
                .transpose()
                .map_err(|_| Errno::EPERM)?;
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let folder = match openat(parent, name, flags, Mode::empty()) {
                Err(Errno::EACCES) if user.or(other).is_some() => {
                    // Its owner has closed it to itself. With that user's rights the call changes no other's files.
                    fchmodat(parent, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
                    openat(parent, name, flags, Mode::empty())?
                }
                opened => opened?,
            };
            if fstat(&folder)?.st_uid != stat.st_uid {
                // Somebody puts other folders in its place.
                return Err(Errno::EAGAIN);
            }
            self.empty(folder, depth_left, user.or(other))?;
        }
        unlinkat(parent, name, UnlinkatFlags::RemoveDir)
    }

    fn empty(
        &mut self,
        folder: OwnedFd,
        depth_left: usize,
        user: Option<Owner>,
    ) -> nix::Result<()> {
        let handle = nix::unistd::dup(folder.as_fd())?;
        let mut entries = Dir::from_fd(folder)?;
        for entry in entries.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entries_left = self.entries_left.checked_sub(1).ok_or(Errno::E2BIG)?;
            match unlinkat(&handle, name, UnlinkatFlags::NoRemoveDir) {
                // What unlink(2) says of a folder on Linux.
                Err(Errno::EISDIR) => self.remove(&handle, name, depth_left - 1, user)?,
                // Somebody else has removed it.
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn nest(folder: &Path, depth: usize) {
        let mut path = folder.to_owned();
        for _ in 0..depth {
            path.push("d");
        }
        std::fs::create_dir_all(path).unwrap();
    }

    #[test]
    fn a_tree_is_removed_and_what_its_links_lead_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        let outside = dir.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("file"), "x").unwrap();
        nest(&tree, 10);
        symlink(&outside, tree.join("d/link")).unwrap();
        std::fs::hard_link(outside.join("file"), tree.join("d/hard")).unwrap();
        remove_folder(&tree).unwrap();
        remove_folder(&tree).unwrap();
        assert!(!tree.exists());
        assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "x");
        symlink(&outside, &tree).unwrap();
        remove_folder(&tree).unwrap();
        assert!(tree.symlink_metadata().is_err());
        assert!(outside.join("file").exists());
    }

    #[test]
    fn what_cannot_be_removed_is_renamed_and_the_next_call_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("7");
        nest(&tree, MAX_DEPTH + 5);
        let error = remove_folder(&tree).unwrap_err().to_string();
        assert!(!tree.exists(), "{error}");
        let aside = std::fs::read_dir(dir.path()).unwrap().next().unwrap();
        let aside = aside.unwrap().path();
        assert!(error.contains(&aside.display().to_string()), "{error}");
        let many = dir.path().join("many");
        std::fs::create_dir(&many).unwrap();
        for number in 0..=MAX_ENTRIES {
            std::fs::write(many.join(number.to_string()), "").unwrap();
        }
        remove_folder(&many).unwrap_err();
        let left = std::fs::read_dir(dir.path()).unwrap();
        let left = left.map(|entry| entry.unwrap().path());
        let left = left.filter(|path| path.to_string_lossy().contains("many"));
        for path in left {
            // Only the last entry was left over.
            remove_folder(&path).unwrap();
        }
    }

    #[test]
    fn another_users_folder_is_removed_with_that_users_rights() {
        assert!(nix::unistd::geteuid().is_root(), "run the tests as root");
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let tree = dir.path().join("theirs");
        nest(&tree, 2);
        let theirs = Some(65_534);
        std::os::unix::fs::chown(&tree, theirs, theirs).unwrap();
        // Root's own folder, which that user may not change.
        std::fs::write(tree.join("d/of-root"), "").unwrap();
        let error = remove_folder(&tree).unwrap_err().to_string();
        assert!(error.contains("Permission denied"), "{error}");
        assert!(!tree.exists(), "it has another name");
    }
}
