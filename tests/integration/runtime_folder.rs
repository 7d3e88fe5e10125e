//! The runtime folder of a launcher under test.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::install::install;

/// The user nobody, who has no privileges and owns no files.
pub(crate) const NOBODY: u32 = 65534;

/// The launcher's runtime folder, which is removed at the end unless it belongs to another launcher.
pub(crate) enum Runtime {
    Own(TempDir),
    Shared(PathBuf),
}

impl Runtime {
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Own(folder) => folder.path().join("run"),
            Self::Shared(path) => path.clone(),
        }
    }

    /// The launcher's binary; a copy for nobody, who may not be able to enter the build folder.
    pub(crate) fn program(&self, for_nobody: bool) -> PathBuf {
        let built = PathBuf::from(env!("CARGO_BIN_EXE_microservice-flask"));
        let Self::Own(folder) = self else {
            return built;
        };
        if !for_nobody {
            return built;
        }
        let copy = folder.path().join("microservice-flask");
        install(&built, &copy);
        let runtime = self.path();
        fs::create_dir_all(&runtime).unwrap();
        nix::unistd::chown(&runtime, Some(NOBODY.into()), Some(NOBODY.into())).unwrap();
        copy
    }
}
