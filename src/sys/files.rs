//! Writes files below the runtime folder, and reads files that others may have made.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// A file or folder could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub(crate) struct WriteError {
    /// The path as it was passed, even when a parent of it is the cause.
    pub path: PathBuf,
    /// The error of the system call.
    pub source: io::Error,
}

/// User and group ID.
pub(crate) type Owner = (u32, u32);

/// Writes a file atomically: readers see the old text or the new one. What stands in the place of the new file is never
/// written to, be it a link or a pipe.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), WriteError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let written = create_new(&new)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.set_permissions(std::fs::Permissions::from_mode(mode))
        })
        .and_then(|()| std::fs::rename(&new, path));
    written.map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// A file that was not there before. One of an earlier attempt is removed.
fn create_new(path: &Path) -> io::Result<File> {
    let create = || {
        File::options()
            .write(true)
            // Fails for a link, wherever it leads (open(2), `O_EXCL`).
            .create_new(true)
            .mode(0o600)
            .open(path)
    };
    match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            create()
        }
        created => created,
    }
}

/// Reads a file that another user may have put there: no link is followed, nothing but a regular file is opened for
/// longer than a moment, and a larger one is an error. What is not UTF-8 is replaced.
pub(crate) fn read_small(path: &Path, limit: u64) -> io::Result<String> {
    let bytes = read_bounded(path, OFlag::O_NOFOLLOW, limit)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file of the service, also through links, as configuration is often mounted. Anything but a regular file is an
/// error, and so is a larger one: a pipe would be waited for, and a device may have no end.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_bounded(path, OFlag::empty(), limit)
}

fn read_bounded(path: &Path, flags: OFlag, limit: u64) -> io::Result<Vec<u8>> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        // A named pipe would be waited for (fifo(7)), and a terminal would become the launcher's.
        .custom_flags((flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    // One byte more tells that the file is larger; it may also grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Removes a file, or an empty folder. A path that does not exist is no error.
pub(crate) fn remove(path: &Path) -> Result<(), WriteError> {
    let result = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir(path),
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

/// A path, of which the end may not exist yet, without the links in what exists of it.
pub(crate) fn without_links(path: &Path) -> PathBuf {
    let exists = |above: &&Path| above.symlink_metadata().is_ok();
    let Some(above) = path.ancestors().find(exists) else {
        return path.to_owned();
    };
    let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
    let real = above.canonicalize().unwrap_or_else(|_| above.to_owned());
    if rest.as_os_str().is_empty() {
        real
    } else {
        real.join(rest)
    }
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
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        write(&file, "one", 0o600).unwrap();
        write(&file, "two", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        remove(&file).unwrap();
        remove(&file).unwrap();
        remove(&dir.path().join("a")).unwrap_err();
    }

    #[test]
    fn what_stands_in_the_place_of_a_new_file_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("x"), dir.path().join("other"));
        std::fs::write(&other, "old").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join("x.new")).unwrap();
        write(&file, "new", 0o644).unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "old");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "four").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_regular(&path("link"), 4).unwrap(), b"four");
        assert_eq!(read_small(&path("file"), 4).unwrap(), "four");
        for (error, part) in [
            (read_regular(&path("file"), 3).unwrap_err(), "larger than 3"),
            (read_regular(&path("pipe"), 4).unwrap_err(), "not a regular"),
            (
                read_regular(Path::new("/dev/zero"), 4).unwrap_err(),
                "not a regular",
            ),
            (read_small(&path("link"), 4).unwrap_err(), ""),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
