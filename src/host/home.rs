//! The home folder of the workers: one that they can write to.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::access::{self, Permission};
use super::user::User;
use crate::sys::folders;

/// Where `HOME` of the application comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// The variable `HOME` of the launcher's environment.
    Environment(PathBuf),
    /// The entry of the workers' user in /etc/passwd.
    User(PathBuf),
    /// A folder that the launcher makes, because the workers may write to none of the others.
    #[default]
    Own,
}

/// The first folder that the workers may write to. `changes_user`: whether they run as another user than the launcher.
pub(super) fn choose(variable: Option<&OsStr>, user: &User, changes_user: bool) -> Home {
    let usable = |folder: &Path| {
        folder.is_absolute() && folder.is_dir() && is_writable(folder, user, changes_user)
    };
    match variable.map(Path::new) {
        Some(folder) if usable(folder) => Home::Environment(folder.to_owned()),
        _ if usable(&user.home) => Home::User(user.home.clone()),
        _ => Home::Own,
    }
}

fn is_writable(folder: &Path, user: &User, changes_user: bool) -> bool {
    if !changes_user {
        return folders::is_writable(folder);
    }
    access::first_denied(folder, &[("", Permission::Change)], user).is_none()
        && !folders::is_read_only(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_writable_folder_is_home() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(dir.path(), 0o755);
        let folder = |name: &str, bits| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            mode(&path, bits);
            path
        };
        let open = folder("open", 0o777);
        let closed = folder("closed", 0o755);
        let user = |home: &Path| User {
            name: "nobody-at-all".to_owned(),
            uid: 4_000_000,
            gid: 4_000_000,
            group: None,
            home: home.to_owned(),
        };
        let check = |variable: Option<&Path>, home: &Path| {
            choose(variable.map(Path::as_os_str), &user(home), true)
        };
        assert_eq!(check(Some(&open), &closed), Home::Environment(open.clone()));
        assert_eq!(check(Some(&closed), &open), Home::User(open.clone()));
        assert_eq!(check(None, &open), Home::User(open.clone()));
        assert_eq!(check(Some(&closed), &closed), Home::Own);
        assert_eq!(check(Some(Path::new("")), Path::new("relative")), Home::Own);
        assert_eq!(check(Some(&open.join("missing")), &closed), Home::Own);
    }
}
