//! The socket file of a server, opened so that nobody can exchange it between the look at it and the connection, and what
//! the system knows of those who could be behind it.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// A socket file, held open.
#[derive(Debug)]
pub(crate) struct SocketFile {
    socket: OwnedFd,
    /// The user that the folder belongs to.
    pub folder_owner: u32,
}

impl SocketFile {
    /// Opens `name` in a folder. A symbolic link is refused: no server makes one, and it leads wherever another user wants.
    pub(crate) fn open(folder: &Path, name: &Path) -> io::Result<Self> {
        let folder = File::options()
            .read(true)
            .custom_flags((OFlag::O_PATH | OFlag::O_DIRECTORY).bits())
            .open(folder)?;
        let folder_owner = folder.metadata()?.uid();
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let socket = openat(&folder, name, flags, Mode::empty())?;
        let kind = File::from(socket.try_clone()?).metadata()?.file_type();
        if kind.is_symlink() {
            return Err(io::Error::other("it is a symbolic link"));
        }
        if !kind.is_socket() {
            return Err(io::Error::other("it is not a socket"));
        }
        Ok(Self {
            socket,
            folder_owner,
        })
    }

    /// The path to connect to, as long as this value lives: it leads to the open file, whatever has its name now.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.socket.as_raw_fd()).into()
    }
}

/// The user of process 1: in a container the launcher itself, or what has started it. None where /proc does not tell.
pub(crate) fn user_of_init() -> Option<u32> {
    // The owner of /proc/1 would be root for a process that is not dumpable (proc(5)).
    let status = std::fs::read_to_string("/proc/1/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // Real, effective, saved and file system user.
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Whether only root can decide what is below this path: every folder above it is root's, and no other may write to it.
pub(crate) fn is_in_roots_hands(path: &Path) -> bool {
    path.ancestors().skip(1).all(|folder| {
        folder
            .metadata()
            .is_ok_and(|meta| meta.uid() == 0 && meta.mode() & 0o022 == 0)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn links_and_files_are_no_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let _listener = UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink(at("socket"), at("link")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        let error = |name: &str| {
            SocketFile::open(folder.path(), Path::new(name))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(error("link"), "it is a symbolic link");
        assert_eq!(error("file"), "it is not a socket");
        assert!(
            error("none").starts_with("No such file"),
            "{}",
            error("none")
        );
        let socket = SocketFile::open(folder.path(), Path::new("socket")).unwrap();
        // Its name is gone, and a link to elsewhere has taken it.
        std::fs::rename(at("socket"), at("moved")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("socket")).unwrap();
        std::os::unix::net::UnixStream::connect(socket.path()).unwrap();
        assert_eq!(socket.folder_owner, nix::unistd::geteuid().as_raw());
    }

    #[test]
    fn what_others_may_write_to_is_not_in_roots_hands() {
        assert!(is_in_roots_hands(Path::new("/proc/x")));
        assert!(!is_in_roots_hands(Path::new("/tmp/x")));
        assert!(!is_in_roots_hands(Path::new("/tmp/x/y")));
        assert!(!is_in_roots_hands(Path::new("/no-such-folder/x")));
        assert!(user_of_init().is_some());
    }
}
