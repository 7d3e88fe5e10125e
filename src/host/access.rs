//! What of a folder a user may not read, by the mode bits: root, who looks, may read everything.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::User;

/// What has to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Going through a folder.
    Enter,
    /// Listing a folder, and going through it.
    List,
    /// Reading a file.
    Read,
}

impl Need {
    fn bits(self) -> u32 {
        match self {
            Self::Enter => 0o1,
            Self::List => 0o5,
            Self::Read => 0o4,
        }
    }
}

/// A file or folder that is closed to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The file or folder.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// What would have to be allowed.
    pub need: Need,
}

impl Closed {
    /// What is not allowed, as the end of a sentence.
    pub fn what(&self) -> String {
        let verb = match self.need {
            Need::Enter => "cannot enter",
            Need::List | Need::Read => "cannot read",
        };
        format!("{verb} {} (mode {:04o})", self.path.display(), self.mode)
    }

    /// What allows it.
    pub fn hint(&self) -> String {
        let letters = match self.need {
            Need::Enter => "x",
            Need::List => "rx",
            Need::Read => "r",
        };
        format!("chmod o+{letters} {}", self.path.display())
    }
}

/// The first that is closed to the user on the way to `folder`, the folder itself, and then among `inside` it. What
/// does not exist is open.
pub fn first_denied(folder: &Path, inside: &[(&str, Need)], user: &User) -> Option<Closed> {
    let mut way: Vec<(PathBuf, Need)> = folder
        .ancestors()
        .map(|path| (path.to_owned(), Need::Enter))
        .collect();
    way.reverse();
    way.extend(inside.iter().map(|(name, need)| (folder.join(name), *need)));
    let groups = groups(user);
    way.into_iter().find_map(|(path, need)| {
        let meta = std::fs::metadata(&path).ok()?;
        let mode = meta.mode() & 0o7777;
        let open = allows(mode, (meta.uid(), meta.gid()), (user.uid, &groups), need);
        (!open).then_some(Closed { path, mode, need })
    })
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

/// As the kernel decides: the first class that fits counts, even when a later one would allow more.
fn allows(mode: u32, owner: (u32, u32), user: (u32, &[u32]), need: Need) -> bool {
    let shift = match () {
        () if user.0 == 0 => return true,
        () if user.0 == owner.0 => 6,
        () if user.1.contains(&owner.1) => 3,
        () => 0,
    };
    (mode >> shift) & need.bits() == need.bits()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_class_that_fits_counts() {
        let user = (33, &[33, 34][..]);
        assert!(allows(0o755, (0, 0), user, Need::List));
        assert!(!allows(0o700, (0, 0), user, Need::Enter));
        assert!(allows(0o710, (0, 33), user, Need::Enter));
        assert!(!allows(0o710, (0, 33), user, Need::List));
        assert!(!allows(0o077, (33, 33), user, Need::Read));
        assert!(allows(0o640, (0, 34), user, Need::Read));
        assert!(allows(0o000, (33, 33), (0, &[]), Need::Read));
    }

    #[test]
    fn the_outermost_is_named_with_its_cure() {
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
        let inside = [("src", Need::List), ("src/main.py", Need::Read)];
        let look = || first_denied(&root, &inside, &user);
        assert_eq!(look(), None);
        mode(&root.join("src"), 0o711);
        let closed = look().unwrap();
        assert_eq!(closed.path, root.join("src"));
        mode(&dir.path().join("a"), 0o700);
        let closed = look().unwrap();
        assert_eq!(closed.path, dir.path().join("a"));
        assert!(closed.what().ends_with("(mode 0700)"), "{}", closed.what());
        assert!(
            closed.hint().starts_with("chmod o+x /"),
            "{}",
            closed.hint()
        );
    }
}
