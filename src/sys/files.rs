//! Writing below the runtime folder.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Bytes of a lock file that are read: a process number and a line end have fewer.
const LONGEST_PID: u64 = 32;

/// The owner of a file: user and group.
pub type Owner = (u32, u32);

/// Makes a folder and its parents; an existing folder gets the mode and the owner too.
pub fn folder(path: &Path, mode: u32, owner: Option<Owner>) -> Result<(), WriteError> {
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
    own(path, owner).map_err(failed)
}

/// Makes a folder and its parents where they are missing; one that exists stays as it is.
pub fn make(path: &Path) -> Result<(), WriteError> {
    if path.is_dir() {
        return Ok(());
    }
    folder(path, 0o755, None)
}

/// Makes a folder among those of other users, as in /tmp, where everybody may have made one by its name before: says what
/// is wrong when it is not a real folder, ours, that only we may write. One that is cannot be replaced by others, as they
/// may not rename or remove what is ours there (sticky bit).
pub fn make_among_others(path: &Path) -> Result<Option<String>, WriteError> {
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
    let us = nix::unistd::geteuid().as_raw();
    let wrong = not_ours(meta.is_dir(), meta.uid(), meta.mode(), us);
    Ok(wrong.map(|wrong| format!("{} {wrong}", path.display())))
}

fn not_ours(is_dir: bool, owner: u32, mode: u32, us: u32) -> Option<String> {
    let mode = mode & 0o7777;
    if !is_dir {
        return Some(format!("is not a folder, and belongs to user {owner}"));
    }
    if owner != us {
        return Some(format!(
            "belongs to user {owner} (mode {mode:04o}), not to user {us}"
        ));
    }
    (mode & 0o022 != 0).then(|| format!("may be written by others (mode {mode:04o}, user {owner})"))
}

/// Whether a folder holds no file: it is empty, or has folders in it that are.
pub fn holds_nothing(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else {
        return false;
    };
    entries.into_iter().all(|entry| {
        entry.is_ok_and(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_dir()) && holds_nothing(&entry.path())
        })
    })
}

/// Writes a file at once: readers see the old text or the new, never a half.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), WriteError> {
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
        self::folder(parent, 0o755, None)?;
    }
    write(&path, text, 0o644)
}

/// Removes a file or a whole folder; that it is not there is no error.
pub fn remove(path: &Path) -> Result<(), WriteError> {
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

fn own(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

/// Who has a lock.
#[derive(Debug)]
pub enum Lock {
    /// We, as long as the value lives.
    Ours(Flock<File>),
    /// Someone else: this process, where the file names it.
    Theirs(Option<u32>),
}

/// Takes a lock and writes our process number into its file, for those who come later.
pub fn lock(path: &Path) -> Result<Lock, WriteError> {
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
            // The number only helps a message: the lock holds without it, on a full disk for example.
            drop(note_pid(&lock));
            Ok(Lock::Ours(lock))
        }
        Err((file, Errno::EWOULDBLOCK)) => Ok(Lock::Theirs(noted_pid(&file))),
        Err((_, error)) => Err(failed(error.into())),
    }
}

fn note_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn noted_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(LONGEST_PID).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether a folder can be made, or is there and can be written.
pub fn is_writable(path: &Path) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_whole_and_removed_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b/x");
        folder(file.parent().unwrap(), 0o700, None).unwrap();
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
    fn a_folder_that_exists_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("old");
        std::fs::create_dir(&old).unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o711)).unwrap();
        make(&old).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&old), 0o711);
        make(&dir.path().join("new")).unwrap();
        assert_eq!(mode(&dir.path().join("new")), 0o755);
    }

    #[test]
    fn among_others_only_a_real_folder_of_ours_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new");
        for _ in 0..2 {
            assert_eq!(make_among_others(&new).unwrap(), None);
        }
        let meta = std::fs::metadata(&new).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o755);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&new, &link).unwrap();
        let wrong = make_among_others(&link).unwrap().unwrap();
        let start = format!("{} is not a folder", link.display());
        assert!(wrong.starts_with(&start), "{wrong}");
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o1777)).unwrap();
        let wrong = make_among_others(&new).unwrap().unwrap();
        assert!(wrong.contains("(mode 1777, user "), "{wrong}");
        assert!(make_among_others(&dir.path().join("a/b")).is_err());
    }

    #[test]
    fn owner_and_mode_of_a_folder_decide() {
        for mode in [0o40_755, 0o40_700, 0o41_755] {
            assert_eq!(not_ours(true, 1000, mode, 1000), None);
        }
        assert!(not_ours(true, 1000, 0o40_775, 1000).is_some());
        assert!(not_ours(true, 1000, 0o40_757, 1000).is_some());
        assert!(not_ours(false, 1000, 0o100_644, 1000).is_some());
        assert_eq!(
            not_ours(true, 1001, 0o40_777, 1000).unwrap(),
            "belongs to user 1001 (mode 0777), not to user 1000"
        );
        // root may use all folders, and must not use this one either.
        assert!(not_ours(true, 1000, 0o40_755, 0).is_some());
    }

    #[test]
    fn a_lock_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "4194303 and more than that").unwrap();
        let first = lock(&path).unwrap();
        assert!(matches!(first, Lock::Ours(_)), "{first:?}");
        let second = lock(&path).unwrap();
        assert!(
            matches!(second, Lock::Theirs(Some(pid)) if pid == std::process::id()),
            "{second:?}"
        );
    }

    #[test]
    fn folders_in_a_folder_are_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(holds_nothing(dir.path()));
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        assert!(holds_nothing(dir.path()));
        std::fs::write(dir.path().join("a/b/c"), "").unwrap();
        assert!(!holds_nothing(dir.path()));
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let error = folder(Path::new("/proc/none/x"), 0o700, None)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot write /proc/none/x: "), "{error}");
    }
}
