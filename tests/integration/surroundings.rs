//! What a launcher under test may do, and what it runs on: users, capabilities, file systems.

use std::fs;
use std::path::PathBuf;

use crate::launcher::Launcher;
use crate::runtime_folder::NOBODY;

/// The rights that a platform gives to a container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rights {
    /// Those of the tests: root, and a folder that the launcher makes.
    Default,
    /// Root, with a runtime folder that everybody may write to, as in a Kubernetes emptyDir.
    SharedFolder,
    /// `--user 65534 --read-only --cap-drop=all --security-opt no-new-privileges`.
    Hardened,
    /// The same with an emptyDir, as under the profile "restricted" of Kubernetes.
    Restricted,
}

impl Rights {
    /// By the name in the environment variable of the tests; the default for an empty one.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "" | "default" => Self::Default,
            "shared-folder" => Self::SharedFolder,
            "hardened" => Self::Hardened,
            "restricted" => Self::Restricted,
            other => panic!("no such rights: {other}"),
        }
    }
}

impl Launcher {
    pub(crate) fn with_rights(self, rights: Rights) -> Self {
        match rights {
            Rights::Default => self,
            Rights::SharedFolder => {
                self.make_runtime(0o777, 0);
                self
            }
            Rights::Hardened => self.read_only_but_for_its_folders().for_nobody(),
            Rights::Restricted => {
                let launcher = self.read_only_but_for_its_folders().for_nobody();
                launcher.make_runtime(0o777, NOBODY);
                launcher
            }
        }
    }

    /// Runs as a user without privileges, who can get none.
    pub(crate) fn for_nobody(mut self) -> Self {
        self.is_nobody = true;
        let user = format!("--reuid={NOBODY}");
        let group = format!("--regid={NOBODY}");
        self.through(&[
            "setpriv",
            &user,
            &group,
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
            "--no-new-privs",
        ])
    }

    /// With a runtime folder on a private file system of 1 MiB.
    pub(crate) fn on_a_small_disk(self) -> Self {
        self.on_a_disk_of(1)
    }

    /// With a runtime folder on a private file system of so many MiB.
    pub(crate) fn on_a_disk_of(self, mebibytes: u32) -> Self {
        let runtime = self.runtime.path();
        fs::create_dir(&runtime).unwrap();
        let runtime = runtime.display().to_string();
        // For whom the folder is, and how, may be decided later.
        let of_folder = |format: &str| format!("$(stat -c %{format} \"$0\")");
        let (mode, user) = (of_folder("a"), of_folder("u"));
        let options = format!("size={mebibytes}m,mode={mode},uid={user},gid={user}");
        let mount = format!("mount -t tmpfs -o \"{options}\" none \"$0\" && exec \"$@\"");
        self.through(&["unshare", "--mount", "sh", "-c", &mount, &runtime])
    }

    /// All of the root file system is read-only, but for the folders of the service and of the launcher.
    fn read_only_but_for_its_folders(self) -> Self {
        let runtime = self.runtime.path();
        let mut folders: Vec<PathBuf> = vec![runtime.parent().unwrap().to_owned()];
        folders.extend(self.service.iter().map(|folder| folder.path().to_owned()));
        let binds: Vec<String> = folders
            .iter()
            .map(|folder| format!("mount --rbind {0} {0}", folder.display()))
            .collect();
        let script = format!(
            "{} && mount -o remount,bind,ro / && exec \"$0\" \"$@\"",
            binds.join(" && ")
        );
        self.through(&["unshare", "--mount", "sh", "-c", &script])
    }

    /// Makes the runtime folder, or changes the one that [`Launcher::for_nobody`] will find.
    fn make_runtime(&self, mode: u32, owner: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let runtime = self.runtime.path();
        fs::create_dir_all(&runtime).unwrap();
        std::os::unix::fs::chown(&runtime, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(mode)).unwrap();
    }
}
