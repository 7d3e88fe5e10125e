//! The users that programs run as.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sys::credentials::Credentials;

/// A user of the host, from /etc/passwd where it is listed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Login name; the user ID as text for a user that is not listed.
    pub name: String,
    /// User ID.
    pub uid: u32,
    /// ID of the primary group.
    pub gid: u32,
    /// Name of the primary group. Without it nginx uses a group named like the user, which may not exist.
    #[serde(default)]
    pub group: Option<String>,
    /// Home directory; `/` for a user that is not listed.
    pub home: PathBuf,
}

impl User {
    /// This user with all its groups, for a process that is to be started as it.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::of(&self.name, self.uid, self.gid)
    }
}

/// Looks up a user by its login name.
pub(super) fn by_name(name: &str) -> Option<User> {
    let user = nix::unistd::User::from_name(name).ok().flatten()?;
    Some(User {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        group: nix::unistd::Group::from_gid(user.gid)
            .ok()
            .flatten()
            .map(|group| group.name),
        home: user.dir,
    })
}

/// The first of these users that exists and is another than the application's.
pub(super) fn other_than(application: &User, names: &[&str]) -> Option<User> {
    names
        .iter()
        .filter_map(|name| by_name(name))
        .find(|user| user.uid != application.uid)
}

/// The launcher's own user. A container may run with a user ID that is not in /etc/passwd.
pub(super) fn own() -> User {
    let uid = nix::unistd::geteuid();
    let known = nix::unistd::User::from_uid(uid).ok().flatten();
    let (name, home) = known.map_or_else(
        || (uid.to_string(), PathBuf::from("/")),
        |user| (user.name, user.dir),
    );
    User {
        name,
        uid: uid.as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        group: None,
        home,
    }
}
