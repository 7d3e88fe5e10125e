//! What the application asks the launcher for: a file of this name in uWSGI's folder. The folder belongs to the workers'
//! user, so nothing is read from it.

use std::path::{Path, PathBuf};

use crate::supervise::program::Wish;
use crate::sys::file_user;

/// The files, as uwsgi/microservice_flask_imported.py writes them.
const FILES: [(&str, Wish); 2] = [
    ("asked-to-reload", Wish::Reload),
    ("asked-to-stop", Wish::Stop),
];

/// The paths of these files: they belong to one run.
pub(super) fn paths(folder: &Path) -> Vec<PathBuf> {
    FILES.iter().map(|(name, _)| folder.join(name)).collect()
}

/// Takes the wishes that have come since the last call.
pub(super) fn take(folder: &Path) -> Vec<Wish> {
    // Fails when there is none, and for anything but a file.
    let is_there = |name: &str| std::fs::remove_file(folder.join(name)).is_ok();
    let taken = file_user::as_owner_of(folder, || {
        let there = FILES.iter().filter(|(name, _)| is_there(name));
        Ok(there.map(|(_, wish)| *wish).collect())
    });
    // Without the rights of that user nothing is taken.
    taken.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(take(folder.path()).is_empty());
        for path in paths(folder.path()) {
            std::fs::write(path, "").unwrap();
        }
        assert_eq!(take(folder.path()), [Wish::Reload, Wish::Stop]);
        assert!(take(folder.path()).is_empty());
    }
}
