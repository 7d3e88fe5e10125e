//! Which folder is the runtime folder: the one that `run` takes, and those in which a running launcher is looked for.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::sys::folders;

/// Name of the folder below /run and $XDG_RUNTIME_DIR; in /tmp the user's number follows.
const NAME: &str = "microservice-flask";

/// Where the files of a launcher are when others may write to its runtime folder.
pub(crate) const PRIVATE: &str = "private";

/// What decides where the runtime folder is.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeDirs {
    /// `--runtime-dir`.
    pub(crate) asked: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`; a relative path is ignored.
    pub(crate) session: Option<PathBuf>,
}

impl RuntimeDirs {
    /// The folder for a new launcher: the one asked for, else the first default that is writable, else the last
    /// default.
    pub(crate) fn choose(&self) -> PathBuf {
        if let Some(folder) = &self.asked {
            return std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        }
        let defaults = self.defaults(nix::unistd::geteuid().as_raw());
        let writable = defaults.iter().find(|folder| folders::is_writable(folder));
        writable.or(defaults.last()).cloned().unwrap_or_default()
    }

    /// Whether the launcher chose this folder by itself in /tmp, where other users may create files too.
    pub(crate) fn is_shared(&self, folder: &Path) -> bool {
        self.asked.is_none() && folder == folder_in_tmp(nix::unistd::geteuid().as_raw())
    }

    /// Where a running launcher may be found: in the folder asked for, else in any default, or in the folder of another
    /// user in /tmp.
    pub(crate) fn candidates(&self) -> Vec<PathBuf> {
        if self.asked.is_some() {
            return vec![self.choose()];
        }
        let uid = nix::unistd::geteuid().as_raw();
        let mut folders = self.defaults(uid);
        let in_tmp = folder_in_tmp(uid);
        folders.retain(|folder| *folder != in_tmp || !folder.exists() || is_its_owners(folder));
        let mut others = users_folders(Path::new("/tmp"));
        others.retain(|folder| !folders.contains(folder));
        others.sort();
        folders.append(&mut others);
        folders
    }

    /// Default folders in order of preference. The last one can be written unless another user has taken its name.
    fn defaults(&self, uid: u32) -> Vec<PathBuf> {
        let session = self.session.as_ref().filter(|dir| dir.is_absolute());
        let mut folders = vec![Path::new("/run").join(NAME)];
        folders.extend(session.map(|dir| dir.join(NAME)));
        folders.push(folder_in_tmp(uid));
        folders
    }
}

/// Where the files of a launcher are: in its runtime folder, or, where others may write to that, in a folder of its own
/// below it.
pub(crate) fn work_folder(runtime: &Path) -> PathBuf {
    let others_write = runtime.metadata().is_ok_and(|meta| {
        meta.uid() != nix::unistd::geteuid().as_raw() || meta.mode() & 0o022 != 0
    });
    let private = runtime.join(PRIVATE);
    if others_write || is_private(&private) {
        // Also when it was taken over since: what others have made in it is still there.
        private
    } else {
        runtime.to_owned()
    }
}

/// Whether this is a folder of the launcher's user in which nobody else can make anything.
pub(crate) fn is_private(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| {
        meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o022 == 0
    })
}

/// All users share /tmp: the number in the name keeps their launchers apart.
fn folder_in_tmp(uid: u32) -> PathBuf {
    Path::new("/tmp").join(format!("{NAME}-{uid}"))
}

/// Runtime folders of all users in `tmp`.
fn users_folders(tmp: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(tmp) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| is_its_owners(path))
        .collect()
}

/// Whether a folder in /tmp belongs to the user whose number is in its name. Any user can create a folder under any
/// name, and a launcher in it could pretend to be another user's.
fn is_its_owners(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let uid = name
        .strip_prefix(NAME)
        .and_then(|rest| rest.strip_prefix('-'));
    path.symlink_metadata()
        .is_ok_and(|meta| meta.is_dir() && uid == Some(meta.uid().to_string().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_tried_in_their_order() {
        let dirs = RuntimeDirs {
            asked: None,
            session: Some("/run/user/7".into()),
        };
        let folders: Vec<_> = dirs
            .defaults(7)
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            folders,
            [
                "/run/microservice-flask",
                "/run/user/7/microservice-flask",
                "/tmp/microservice-flask-7"
            ]
        );
    }

    #[test]
    fn a_folder_under_another_users_name_is_not_asked() {
        let tmp = tempfile::tempdir().unwrap();
        let uid = nix::unistd::geteuid().as_raw();
        let own = tmp.path().join(format!("microservice-flask-{uid}"));
        std::fs::create_dir(&own).unwrap();
        std::fs::create_dir(tmp.path().join(format!("microservice-flask-{}", uid + 1))).unwrap();
        std::fs::create_dir(tmp.path().join("microservice-flask")).unwrap();
        assert_eq!(users_folders(tmp.path()), [own]);
    }
}
