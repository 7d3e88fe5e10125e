//! Takes the lock that keeps two launchers out of one runtime folder.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::files::{WriteError, remove};

/// Bytes of a lock file that are read; more than a process ID and a line end need.
const MAX_PID_LENGTH: u64 = 32;

/// The result of [`lock`].
#[derive(Debug)]
pub(crate) enum Lock {
    /// Released when the value is dropped.
    Acquired(Flock<File>),
    /// Another process has it: the process ID, if the file contains one.
    HeldBy(Option<u32>),
}

/// Tries to take an exclusive lock, and writes the launcher's process ID into the file, for the message of the next one
/// that tries. Only the launcher's user may open the file, so that nobody else can hold the lock. What stands in its place
/// and is no file of its own, such as a link, is removed.
pub(crate) fn lock(path: &Path) -> Result<Lock, WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    let file = if let Ok(Some(file)) = open_lock(path) {
        file
    } else {
        remove(path)?;
        open_lock(path)
            .and_then(|file| {
                file.ok_or_else(|| io::Error::other("something replaces it all the time"))
            })
            .map_err(failed)?
    };
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

/// Opens or creates a lock file; none when the path is that of another file, or of something else.
fn open_lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.nlink() != 1 {
        return Ok(None);
    }
    if meta.mode() & 0o7777 != 0o600 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(Some(file))
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_no_lock_file_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("lock"), dir.path().join("other"));
        std::fs::write(&other, "precious").unwrap();
        let links: [fn(&Path, &Path) -> io::Result<()>; 2] = [
            |to, from| std::os::unix::fs::symlink(to, from),
            |to, from| std::fs::hard_link(to, from),
        ];
        for link in links {
            link(&other, &path).unwrap();
            assert!(matches!(lock(&path).unwrap(), Lock::Acquired(_)));
            assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
            let mode = std::fs::symlink_metadata(&path).unwrap().mode();
            assert_eq!(mode, 0o100_600);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
