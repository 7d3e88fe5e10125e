//! The folder of a service, with the layout that it has in a container.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::wait::until;

/// A service that hangs, crashes and misbehaves on request.
pub(crate) const PROBE_APP: &str = include_str!("probe.py");

/// `nginx_config` of one worker that serves one request at a time.
pub(crate) fn one_process() -> Value {
    json!({"wsgi_worker_threads_count": 1})
}

/// `nginx_config` of one worker with threads, as few as there can be.
pub(crate) fn two_threads() -> Value {
    json!({"wsgi_worker_threads_count": 2, "wsgi_processes": 1})
}

/// A temporary folder with a service.
pub(crate) struct Service {
    // Removed when neither the test nor a running launcher uses it any more.
    folder: Arc<TempDir>,
    root: PathBuf,
}

impl Service {
    /// A service without `src/main.py`.
    pub(crate) fn empty() -> Self {
        let folder = world_accessible_folder("service-");
        let root = folder.path().join("probe");
        fs::create_dir(&root).unwrap();
        fs::create_dir(root.join("src")).unwrap();
        fs::create_dir(root.join("state")).unwrap();
        // The probe, which runs as another user, writes its notes here.
        fs::set_permissions(root.join("state"), fs::Permissions::from_mode(0o777)).unwrap();
        Self {
            folder: Arc::new(folder),
            root,
        }
    }

    /// The probe, with the defaults of production.
    pub(crate) fn new() -> Self {
        Self::empty()
            .main_py(PROBE_APP)
            .config(&json!({"use_nginx": true}))
    }

    /// The probe with this number of slots, one process each.
    pub(crate) fn with_slots(slots: u32) -> Self {
        Self::new().nginx_config(&json!({"wsgi_worker_threads_count": slots}))
    }

    /// The probe with this number of slots in one process.
    pub(crate) fn with_threads(slots: u32) -> Self {
        Self::new().nginx_config(&json!({"wsgi_worker_threads_count": slots, "wsgi_processes": 1}))
    }

    pub(crate) fn main_py(self, text: &str) -> Self {
        self.file("src/main.py", text)
    }

    /// Runs `lines` before the probe's own code.
    pub(crate) fn with_prelude(self, lines: &str) -> Self {
        self.main_py(&format!("{lines}\n{PROBE_APP}"))
    }

    pub(crate) fn config(self, config: &Value) -> Self {
        self.file("config/config.json", &config.to_string())
    }

    /// Production with these keys of `nginx_config`.
    pub(crate) fn nginx_config(self, section: &Value) -> Self {
        self.config(&json!({"use_nginx": true, "nginx_config": section}))
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// Replaces a file of a service that may be running, atomically as deployments do.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// The probe that answers `/version` with this.
    pub(crate) fn write_version(&self, version: &str) {
        let text = PROBE_APP.replace("VERSION = \"1\"", &format!("VERSION = {version:?}"));
        self.write("src/main.py", &text);
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps the folder while the launcher needs it.
    pub(crate) fn hold(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// How often the probe has recorded this name.
    pub(crate) fn noted(&self, name: &str) -> u64 {
        fs::metadata(self.root.join("state").join(name)).map_or(0, |file| file.len())
    }

    /// Waits until the probe has recorded this name so often, so that so many requests are in it.
    #[track_caller]
    pub(crate) fn wait_for_notes(&self, name: &str, count: u64) {
        let what = format!("{count} notes of {name}");
        until(Duration::from_secs(20), &what, || {
            (self.noted(name) >= count).then_some(())
        });
    }
}

/// A new folder that the user of the workers may enter.
pub(crate) fn world_accessible_folder(prefix: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Lines for [`Service::with_prelude`]: notes that the import has begun, then runs these.
pub(crate) fn importing(lines: &str) -> String {
    format!(
        "import os, sys, time\n\
         STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'state')\n\
         open(os.path.join(STATE, 'importing'), 'a').write('x')\n{lines}\n"
    )
}

/// An import that continues when the test writes `state/go`.
pub(crate) fn importing_until_go() -> String {
    importing("while not os.path.exists(os.path.join(STATE, 'go')):\n    time.sleep(0.01)")
}
