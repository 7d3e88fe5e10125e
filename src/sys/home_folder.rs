//! Makes the home folder of another user as root, in a folder that this user may be able to write: nothing that it could
//! have put there is given to it.
#![forbid(unsafe_code)]

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, fchown};

use super::files::{Owner, WriteError};

/// Only its owner may enter it.
const MODE: u32 = 0o700;

/// Makes the folder, or takes one that belongs to the user already. The folder above it must exist.
pub(crate) fn make(path: &Path, owner: Option<Owner>) -> Result<(), WriteError> {
    make_or_take(path, owner).map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

fn make_or_take(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    let is_made = |meta: std::fs::Metadata| {
        meta.is_dir()
            && meta.mode() & 0o7777 == MODE
            && owner.is_none_or(|owner| owner == (meta.uid(), meta.gid()))
    };
    if path.symlink_metadata().is_ok_and(is_made) {
        // Without the capability DAC_OVERRIDE, root cannot open the folder of another user.
        return Ok(());
    }
    match DirBuilder::new().mode(MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // From here on it is this folder, whatever is at the path.
    let folder = File::options()
        .read(true)
        .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
        .open(path)?;
    let own = nix::unistd::geteuid().as_raw();
    let (uid, gid) = owner.unwrap_or((own, nix::unistd::getegid().as_raw()));
    let holder = folder.metadata()?.uid();
    // A folder of the launcher's that somebody has moved here has content.
    if holder != uid && !(holder == own && is_empty(&folder)?) {
        let what = format!("it belongs to the user {holder} already; remove it");
        return Err(io::Error::other(what));
    }
    folder.set_permissions(Permissions::from_mode(MODE))?;
    fchown(&folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    Ok(())
}

fn is_empty(folder: &File) -> io::Result<bool> {
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    Ok(std::fs::read_dir(path)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_own_or_an_empty_folder_becomes_home() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        let own = nix::unistd::geteuid();
        let other = own.is_root().then_some((33, 33));
        let owner = || std::fs::metadata(&home).unwrap().uid();
        make(&home, other).unwrap();
        assert_eq!(owner(), other.map_or(own.as_raw(), |it| it.0));
        std::fs::write(home.join("cache"), "").unwrap();
        std::fs::set_permissions(&home, Permissions::from_mode(0o777)).unwrap();
        make(&home, other).unwrap();
        let mode = std::fs::metadata(&home).unwrap().mode();
        assert_eq!(mode & 0o7777, MODE);

        let victim = dir.path().join("victim");
        std::fs::create_dir(&victim).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        make(&link, other).unwrap_err();
        let meta = std::fs::metadata(&victim).unwrap();
        assert_eq!(meta.uid(), own.as_raw());
        assert_ne!(meta.mode() & 0o7777, MODE);

        if other.is_some() {
            std::fs::write(victim.join("content"), "").unwrap();
            let message = make(&victim, other).unwrap_err().to_string();
            assert!(message.contains("belongs to the user 0"), "{message}");
        }
    }
}
