//! Writes files and folders below the runtime folder, and takes locks.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// A file or folder could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub(crate) struct WriteError {
    /// The path as it was passed, even when a parent of it is the cause.
    pub path: PathBuf,
    /// The error of the system call.
    pub source: io::Error,
}

/// Bytes of a lock file that are read; more than a process ID and a line end need.
const MAX_PID_LENGTH: u64 = 32;

/// User and group ID.
pub(crate) type Owner = (u32, u32);

/// Creates a folder and its parents. Sets mode and owner of an existing folder too.
pub(crate) fn create_folder(
    path: &Path,
    mode: u32,
    owner: Option<Owner>,
) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    set_owner(path, owner).map_err(failed)
}

/// Creates a folder and its parents where they are missing. Does not change an existing folder.
pub(crate) fn create_missing_folder(path: &Path) -> Result<(), WriteError> {
    if path.is_dir() {
        return Ok(());
    }
    create_folder(path, 0o755, None)
}

/// Creates a folder in one that other users may write to, such as /tmp, where any of them may have created it before.
/// Returns what is wrong unless it is a real folder (no link) of the launcher's user that no other user may write to.
/// Other users cannot replace such a folder afterwards, because the sticky bit forbids them to rename or remove it.
pub(crate) fn create_in_shared_folder(path: &Path) -> Result<Option<String>, WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    match std::fs::create_dir(path) {
        Ok(()) => {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(path, mode).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let meta = std::fs::symlink_metadata(path).map_err(failed)?;
    let own_uid = nix::unistd::geteuid().as_raw();
    let problem = ownership_problem(meta.is_dir(), meta.uid(), meta.mode(), own_uid);
    Ok(problem.map(|problem| format!("{} {problem}", path.display())))
}

fn ownership_problem(is_dir: bool, owner: u32, mode: u32, own_uid: u32) -> Option<String> {
    let mode = mode & 0o7777;
    if !is_dir {
        return Some(format!("is not a folder, and belongs to user {owner}"));
    }
    if owner != own_uid {
        return Some(format!(
            "belongs to user {owner} (mode {mode:04o}), not to user {own_uid}"
        ));
    }
    (mode & 0o022 != 0).then(|| format!("may be written by others (mode {mode:04o}, user {owner})"))
}

/// Whether a folder and its subfolders contain no file; false for a folder that cannot be read.
pub(crate) fn contains_no_files(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else {
        return false;
    };
    entries.into_iter().all(|entry| {
        entry.is_ok_and(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_dir()) && contains_no_files(&entry.path())
        })
    })
}

/// Writes a file atomically: readers see the old text or the new one.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    std::fs::write(&new, text).map_err(failed)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)
}

/// Writes one file of a tree below `folder`, and makes the folders between them: files 0644, folders 0755.
pub(crate) fn write_below(folder: &Path, path: &Path, text: &str) -> Result<(), WriteError> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        create_folder(parent, 0o755, None)?;
    }
    write(&path, text, 0o644)
}

/// Reads a file that another user may have put there: no link is followed, nothing but a regular file is opened for
/// longer than a moment, and a larger one is an error. What is not UTF-8 is replaced.
pub(crate) fn read_small(path: &Path, limit: u64) -> io::Result<String> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        // A named pipe would be waited for (fifo(7)).
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > limit {
        return Err(io::Error::other("it is not a small regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Removes a file or a folder with its content. A path that does not exist is no error.
pub(crate) fn remove(path: &Path) -> Result<(), WriteError> {
    let result = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(WriteError {
            path: path.to_owned(),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn set_owner(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

/// The result of [`lock`].
#[derive(Debug)]
pub(crate) enum Lock {
    /// Released when the value is dropped.
    Acquired(Flock<File>),
    /// Another process has it: the process ID, if the file contains one.
    HeldBy(Option<u32>),
}

/// Tries to take an exclusive lock, and writes the launcher's process ID into the file, for the message of the next one
/// that tries.
pub(crate) fn lock(path: &Path) -> Result<Lock, WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => {
            // The lock holds without the process ID, for example on a full disk; only a message lacks it then.
            drop(write_pid(&lock));
            Ok(Lock::Acquired(lock))
        }
        Err((file, Errno::EWOULDBLOCK)) => Ok(Lock::HeldBy(read_pid(&file))),
        Err((_, error)) => Err(failed(error.into())),
    }
}

fn write_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_LENGTH).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether a folder is writable, or could be created because its nearest existing parent is.
pub(crate) fn is_writable(path: &Path) -> bool {
    if path.is_dir() {
        return nix::unistd::access(
            path,
            nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK,
        )
        .is_ok();
    }
    path.parent()
        .is_some_and(|parent| !parent.as_os_str().is_empty() && is_writable(parent))
}

/// Whether the file system of a folder is mounted read-only; no when the system does not tell.
pub(crate) fn is_read_only(folder: &Path) -> bool {
    nix::sys::statvfs::statvfs(folder).is_ok_and(|space| {
        space
            .flags()
            .contains(nix::sys::statvfs::FsFlags::ST_RDONLY)
    })
}

/// Bytes that an unprivileged user may still write to the file system of a folder (statvfs(3)).
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    let space = nix::sys::statvfs::statvfs(folder)?;
    Ok(space.blocks_available() * space.fragment_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b/x");
        create_folder(file.parent().unwrap(), 0o700, None).unwrap();
        write(&file, "one", 0o600).unwrap();
        write(&file, "two", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        remove(&dir.path().join("a")).unwrap();
        remove(&dir.path().join("a")).unwrap();
        assert!(is_writable(&dir.path().join("new/folder")));
        assert!(!is_writable(Path::new("relative")));
    }

    #[test]
    fn an_existing_folder_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("old");
        std::fs::create_dir(&old).unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o711)).unwrap();
        create_missing_folder(&old).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&old), 0o711);
        create_missing_folder(&dir.path().join("new")).unwrap();
        assert_eq!(mode(&dir.path().join("new")), 0o755);
    }

    #[test]
    fn in_a_shared_folder_only_a_real_folder_of_this_user_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new");
        for _ in 0..2 {
            assert_eq!(create_in_shared_folder(&new).unwrap(), None);
        }
        let meta = std::fs::metadata(&new).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o755);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&new, &link).unwrap();
        let wrong = create_in_shared_folder(&link).unwrap().unwrap();
        let start = format!("{} is not a folder", link.display());
        assert!(wrong.starts_with(&start), "{wrong}");
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o1777)).unwrap();
        let wrong = create_in_shared_folder(&new).unwrap().unwrap();
        assert!(wrong.contains("(mode 1777, user "), "{wrong}");
        assert!(create_in_shared_folder(&dir.path().join("a/b")).is_err());
    }

    #[test]
    fn ownership_depends_on_owner_and_mode() {
        for mode in [0o40_755, 0o40_700, 0o41_755] {
            assert_eq!(ownership_problem(true, 1000, mode, 1000), None);
        }
        assert!(ownership_problem(true, 1000, 0o40_775, 1000).is_some());
        assert!(ownership_problem(true, 1000, 0o40_757, 1000).is_some());
        assert!(ownership_problem(false, 1000, 0o100_644, 1000).is_some());
        assert_eq!(
            ownership_problem(true, 1001, 0o40_777, 1000).unwrap(),
            "belongs to user 1001 (mode 0777), not to user 1000"
        );
        // root could use any folder, but must not use that of another user.
        assert!(ownership_problem(true, 1000, 0o40_755, 0).is_some());
    }

    #[test]
    fn a_lock_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "4194303 and more than that").unwrap();
        let first = lock(&path).unwrap();
        assert!(matches!(first, Lock::Acquired(_)), "{first:?}");
        let second = lock(&path).unwrap();
        assert!(
            matches!(second, Lock::HeldBy(Some(pid)) if pid == std::process::id()),
            "{second:?}"
        );
    }

    #[test]
    fn empty_subfolders_are_not_files() {
        let dir = tempfile::tempdir().unwrap();
        assert!(contains_no_files(dir.path()));
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        assert!(contains_no_files(dir.path()));
        std::fs::write(dir.path().join("a/b/c"), "").unwrap();
        assert!(!contains_no_files(dir.path()));
    }

    #[test]
    fn errors_name_the_path() {
        let error = create_folder(Path::new("/proc/none/x"), 0o700, None)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot write /proc/none/x: "), "{error}");
    }
}
