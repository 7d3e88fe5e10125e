//! Checks by mode bits what another user may not read, and what it may change. Trying to read them would prove nothing, because the launcher is
//! root.

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::user::User;

/// Links on the way to a path that are followed, as by the kernel (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// An access that the workers need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Traverse a folder.
    Enter,
    /// List and traverse a folder.
    List,
    /// Read a file.
    Read,
    /// Create files in a folder.
    Change,
    /// Change the content of a file.
    Write,
}

impl Permission {
    fn bits(self) -> u32 {
        match self {
            Self::Enter => 0o1,
            Self::List => 0o5,
            Self::Read => 0o4,
            Self::Change => 0o3,
            Self::Write => 0o2,
        }
    }
}

/// A file or folder that is denied to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedAccess {
    /// Absolute if the checked folder was.
    pub path: PathBuf,
    /// Mode bits without the file type.
    pub mode: u32,
    /// The access that the mode does not allow.
    pub permission: Permission,
}

impl DeniedAccess {
    /// The message as the end of a sentence: "cannot enter /opt/x (mode 0700)".
    pub fn what(&self) -> String {
        let verb = match self.permission {
            Permission::Enter => "cannot enter",
            Permission::List | Permission::Read => "cannot read",
            Permission::Change | Permission::Write => "cannot write to",
        };
        format!("{verb} {} (mode {:04o})", self.path.display(), self.mode)
    }

    /// The command that allows the access.
    pub fn hint(&self) -> String {
        let letters = match self.permission {
            Permission::Enter => "x",
            Permission::List => "rx",
            Permission::Read => "r",
            Permission::Change => "wx",
            Permission::Write => "w",
        };
        format!("chmod o+{letters} {}", self.path.display())
    }
}

/// The first path that is denied to the user: of the parents of `folder` from the root down, the folder itself, and
/// then the paths `inside` it. Paths that do not exist are skipped.
pub(crate) fn first_denied(
    folder: &Path,
    inside: &[(&str, Permission)],
    user: &User,
) -> Option<DeniedAccess> {
    let mut paths: Vec<(PathBuf, Permission)> = folder
        .ancestors()
        .map(|path| (path.to_owned(), Permission::Enter))
        .collect();
    paths.reverse();
    paths.extend(
        inside
            .iter()
            .map(|(name, permission)| (folder.join(name), *permission)),
    );
    let groups = groups(user);
    paths.into_iter().find_map(|(path, permission)| {
        let meta = std::fs::metadata(&path).ok()?;
        let mode = meta.mode() & 0o7777;
        let allowed = allows(
            mode,
            (meta.uid(), meta.gid()),
            (user.uid, &groups),
            permission,
        );
        (!allowed).then_some(DeniedAccess {
            path,
            mode,
            permission,
        })
    })
}

/// Whether a mode and the owners of a file give a user an access.
pub(crate) fn may(user: &User, mode: u32, owner: (u32, u32), permission: Permission) -> bool {
    allows(mode, owner, (user.uid, &groups(user)), permission)
}

/// The bit with which only its owner, and that of the folder, may rename or remove a file of a folder (inode(7)).
pub(crate) const STICKY: u32 = 0o1000;

/// Whether a user may put something else in the place of an `entry` of a folder. No for what does not exist.
pub(crate) fn may_replace(user: &User, folder: &Path, entry: &Path) -> bool {
    let (Ok(folder), Ok(entry)) = (folder.symlink_metadata(), entry.symlink_metadata()) else {
        return false;
    };
    let protected = folder.mode() & STICKY != 0 && entry.uid() != user.uid;
    let owner = (folder.uid(), folder.gid());
    let writes = may(user, folder.mode(), owner, Permission::Change);
    folder.uid() == user.uid || (writes && !protected)
}

/// What lets a user change a file without links, or put another in its place: the file, or a folder above it.
pub(crate) fn changeable(user: &User, file: &Path) -> Option<PathBuf> {
    let meta = file.symlink_metadata().ok()?;
    let owner = (meta.uid(), meta.gid());
    let writes = may(user, meta.mode(), owner, Permission::Write);
    if meta.uid() == user.uid || writes {
        return Some(file.to_owned());
    }
    replaceable_above(user, file)
}

/// The first entry on the way to a path that a user may put something else in place of, and its folder: also a link on
/// the way, and what that leads to. None beyond what exists.
pub(crate) fn replaceable_on_the_way(user: &User, path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut folder = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = parts(path).collect();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            folder.pop();
            continue;
        }
        let entry = folder.join(&part);
        if may_replace(user, &folder, &entry) {
            return Some((entry, folder));
        }
        match std::fs::read_link(&entry) {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                if target.is_absolute() {
                    folder = PathBuf::from("/");
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(part);
                }
            }
            Ok(_) | Err(_) => folder = entry,
        }
    }
    None
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// The nearest folder above a path in which a user may replace the path, or a folder on the way to it.
pub(crate) fn replaceable_above(user: &User, path: &Path) -> Option<PathBuf> {
    let mut above = path.ancestors().zip(path.ancestors().skip(1));
    above
        .find(|(entry, folder)| may_replace(user, folder, entry))
        .map(|(_, folder)| folder.to_owned())
}

/// The user's groups, as nginx and the launcher set them for the workers.
fn groups(user: &User) -> Vec<u32> {
    let main = nix::unistd::Gid::from_raw(user.gid);
    let all = CString::new(user.name.as_str())
        .ok()
        .and_then(|name| nix::unistd::getgrouplist(&name, main).ok())
        .unwrap_or_else(|| vec![main]);
    all.into_iter().map(nix::unistd::Gid::as_raw).collect()
}

/// Decides as the kernel does: the first matching class (owner, group, others) applies, even if a later one would allow
/// more.
fn allows(mode: u32, owner: (u32, u32), user: (u32, &[u32]), permission: Permission) -> bool {
    let shift = match () {
        () if user.0 == 0 => return true,
        () if user.0 == owner.0 => 6,
        () if user.1.contains(&owner.1) => 3,
        () => 0,
    };
    (mode >> shift) & permission.bits() == permission.bits()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_matching_class_applies() {
        let user = (33, &[33, 34][..]);
        assert!(allows(0o755, (0, 0), user, Permission::List));
        assert!(!allows(0o700, (0, 0), user, Permission::Enter));
        assert!(allows(0o710, (0, 33), user, Permission::Enter));
        assert!(!allows(0o710, (0, 33), user, Permission::List));
        assert!(!allows(0o077, (33, 33), user, Permission::Read));
        assert!(allows(0o640, (0, 34), user, Permission::Read));
        assert!(allows(0o000, (33, 33), (0, &[]), Permission::Read));
    }

    #[test]
    fn the_outermost_path_is_reported_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/b");
        std::fs::create_dir_all(root.join("src")).unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(dir.path(), 0o755);
        let user = User {
            name: "www-data".to_owned(),
            uid: 4_000_000,
            gid: 4_000_000,
            group: None,
            home: PathBuf::from("/"),
        };
        let inside = [("src", Permission::List), ("src/main.py", Permission::Read)];
        let check = || first_denied(&root, &inside, &user);
        assert_eq!(check(), None);
        mode(&root.join("src"), 0o711);
        let denied = check().unwrap();
        assert_eq!(denied.path, root.join("src"));
        mode(&dir.path().join("a"), 0o700);
        let denied = check().unwrap();
        assert_eq!(denied.path, dir.path().join("a"));
        assert!(denied.what().ends_with("(mode 0700)"), "{}", denied.what());
        assert!(
            denied.hint().starts_with("chmod o+x /"),
            "{}",
            denied.hint()
        );
    }
}
