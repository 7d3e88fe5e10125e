//! Takes the lock that keeps two launchers out of one runtime folder.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::files::WriteError;
use super::removal;

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
/// and is no file of its own, such as a link, is replaced; but not while another launcher holds it.
pub(crate) fn lock(path: &Path) -> Result<Lock, WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    let first = match open_lock(path) {
        Ok(file) => Some(file),
        Err(error) if is_no_file(&error) => None,
        Err(error) => return Err(failed(error)),
    };
    if let Some(file) = first {
        let is_own = is_own(&file).map_err(failed)?;
        match take(file).map_err(failed)? {
            Lock::Acquired(_) if !is_own => {}
            taken_or_held => return Ok(taken_or_held),
        }
    }
    if let Err(error) = removal::remove_folder(path)
        && path.symlink_metadata().is_ok()
    {
        return Err(error);
    }
    let file = open_lock(path).map_err(failed)?;
    if !is_own(&file).map_err(failed)? {
        return Err(failed(io::Error::other(
            "something replaces it all the time",
        )));
    }
    take(file).map_err(failed)
}

fn take(file: File) -> io::Result<Lock> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => {
            if is_own(&lock)? {
                // The lock holds without the process ID, for example on a full disk; only a message lacks it then.
                drop(write_pid(&lock));
            }
            Ok(Lock::Acquired(lock))
        }
        Err((file, Errno::EWOULDBLOCK)) => Ok(Lock::HeldBy(read_pid(&file))),
        Err((_, error)) => Err(error.into()),
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
}

/// Whether the error of an open says that the path is a link, a folder or a socket.
fn is_no_file(error: &io::Error) -> bool {
    [Errno::ELOOP, Errno::EISDIR, Errno::ENXIO]
        .iter()
        .any(|number| error.raw_os_error() == Some(*number as i32))
}

/// Whether a file is the launcher's own, and no other name leads to it. Closes it to other users then.
fn is_own(file: &File) -> io::Result<bool> {
    let meta = file.metadata()?;
    let own_uid = nix::unistd::geteuid().as_raw();
    if !meta.is_file() || meta.nlink() != 1 || meta.uid() != own_uid {
        return Ok(false);
    }
    if meta.mode() & 0o7777 != 0o600 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(true)
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

    #[test]
    fn a_lock_that_is_held_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock(&path).unwrap();
        std::fs::hard_link(&path, dir.path().join("other")).unwrap();
        assert!(matches!(lock(&path).unwrap(), Lock::HeldBy(Some(_))));
        drop(held);
        assert!(matches!(lock(&path).unwrap(), Lock::Acquired(_)));
    }
}
