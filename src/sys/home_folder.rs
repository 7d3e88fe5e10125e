//! Makes the home folder of another user as root: nothing that this user could have put in its place is given to it.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::files::{Owner, WriteError};
use super::folders;

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
    let own = nix::unistd::geteuid().as_raw();
    let holder = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found?).map(|meta| (meta.is_dir(), meta.uid())),
    };
    match holder {
        // Its mode is that user's own affair.
        Some((true, uid)) if uid == owner.map_or(own, |(uid, _)| uid) => Ok(()),
        // A folder of the launcher's that somebody has moved here has content.
        Some((is_folder, uid)) if !is_folder || uid != own || !is_empty(path)? => {
            // It was that of another user, whose files are not to be lost.
            let aside = path.with_file_name(format!("home-of-{uid}"));
            if aside.symlink_metadata().is_ok() {
                let what = format!(
                    "it belongs to the user {uid}, and so does {}",
                    aside.display()
                );
                return Err(io::Error::other(what));
            }
            std::fs::rename(path, aside)?;
            make_or_take(path, owner)
        }
        Some(_) | None => folders::create_folder(path, MODE, owner).map_err(|error| error.source),
    }
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(folder)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

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
        let mode = || std::fs::metadata(&home).unwrap().mode() & 0o7777;
        assert_eq!(mode(), MODE);
        std::fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
        make(&home, other).unwrap();
        assert_eq!(mode(), 0o755, "as its owner wants it");

        let victim = dir.path().join("victim");
        std::fs::create_dir(&victim).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        make(&link, other).unwrap();
        assert!(!link.is_symlink());
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
