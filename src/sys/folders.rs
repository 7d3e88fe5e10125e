//! Makes folders, and judges those that others may have made.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::fchown;

use super::files::{self, Owner, WriteError};

/// Folders below each other in which [`contains_no_files`] looks.
const MAX_DEPTH: usize = 8;

/// Opens a folder; a link in place of it is an error. Links in the path to it are followed: only the launcher's own user
/// may be able to change that path.
pub(crate) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open(path, flags, Mode::empty())?)
}

/// Creates a folder, and its parents with mode 0755. Sets mode and owner of an existing folder too, of a folder and not
/// of what a link leads to.
pub(crate) fn create_folder(
    path: &Path,
    mode: u32,
    owner: Option<Owner>,
) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    let as_wanted = |meta: std::fs::Metadata| {
        meta.is_dir()
            && meta.mode() & 0o7777 == mode
            && owner.is_none_or(|owner| owner == (meta.uid(), meta.gid()))
    };
    if path.symlink_metadata().is_ok_and(as_wanted) {
        // Without the capability DAC_OVERRIDE, root cannot open the folder of another user.
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| parent.parent().is_some()) {
        create_missing_folder(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let folder = open_folder(path).map_err(failed)?;
    let stat = fstat(&folder).map_err(|error| failed(error.into()))?;
    if stat.st_mode & 0o7777 != mode {
        fchmod(&folder, Mode::from_bits_truncate(mode)).map_err(|error| failed(error.into()))?;
    }
    match owner {
        // The owner last: from then on it may change what is in it.
        Some((uid, gid)) if (stat.st_uid, stat.st_gid) != (uid, gid) => {
            fchown(&folder, Some(uid.into()), Some(gid.into()))
                .map_err(|error| failed(error.into()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Creates a folder and its parents where they are missing. Does not change an existing folder.
pub(crate) fn create_missing_folder(path: &Path) -> Result<(), WriteError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    create_folder(path, 0o755, None)
}

/// Writes one file of a tree below `folder`, and makes the folders between them: files 0644, folders 0755.
pub(crate) fn write_below(folder: &Path, path: &Path, text: &str) -> Result<(), WriteError> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        create_missing_folder(parent)?;
    }
    files::write(&path, text, 0o644)
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

/// Whether a folder and its subfolders contain no file; false for a folder that cannot be read, and for a deep one.
pub(crate) fn contains_no_files(path: &Path) -> bool {
    is_empty_tree(path, MAX_DEPTH)
}

fn is_empty_tree(path: &Path, depth_left: usize) -> bool {
    if depth_left == 0 {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        return false;
    };
    entries.into_iter().all(|entry| {
        entry.is_ok_and(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_dir())
                && is_empty_tree(&entry.path(), depth_left - 1)
        })
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn empty_subfolders_are_not_files() {
        let dir = tempfile::tempdir().unwrap();
        assert!(contains_no_files(dir.path()));
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        assert!(contains_no_files(dir.path()));
        std::fs::write(dir.path().join("a/b/c"), "").unwrap();
        assert!(!contains_no_files(dir.path()));
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_changes_nothing_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let (other, link) = (dir.path().join("other"), dir.path().join("link"));
        std::fs::create_dir(&other).unwrap();
        std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        create_folder(&link, 0o700, None).unwrap_err();
        let mode = std::fs::metadata(&other).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn a_folder_is_writable_when_it_could_be_made() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_writable(&dir.path().join("new/folder")));
        assert!(!is_writable(Path::new("relative")));
    }

    #[test]
    fn errors_name_the_path() {
        let error = create_folder(Path::new("/proc/none/x"), 0o700, None)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot write /proc/none: "), "{error}");
    }
}
