//! Every path below the runtime folder: one function for each, so that no two places spell a path.
//!
//! ```text
//! RUNTIME/app.sock              the application's socket, owned by the launcher over all generations
//! RUNTIME/control.sock          commands
//! RUNTIME/GENERATION/nginx/     nginx.conf, mime.types, nginx.pid, nginx.sock, draining, temp folders
//! RUNTIME/GENERATION/uwsgi/     uwsgi.ini, entry module, stats.sock, master.fifo; belongs to the workers' user
//! ```

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The paths of one generation of configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The runtime folder.
    pub runtime: PathBuf,
    /// Counts configurations, from 1.
    pub generation: u32,
    /// Whether this is the canary of the generation, with everything of its own.
    pub canary: bool,
}

impl Layout {
    /// The application's socket.
    pub fn app_socket(&self) -> PathBuf {
        if self.canary {
            return self.folder().join("app.sock");
        }
        self.runtime.join("app.sock")
    }

    /// The folder of this generation.
    pub fn folder(&self) -> PathBuf {
        let suffix = if self.canary { "-canary" } else { "" };
        self.runtime.join(format!("{}{suffix}", self.generation))
    }

    /// nginx's part of it.
    pub fn nginx(&self) -> PathBuf {
        self.folder().join("nginx")
    }

    /// nginx's main file.
    pub fn nginx_conf(&self) -> PathBuf {
        self.nginx().join("nginx.conf")
    }

    /// A private socket on which nginx tells that it serves.
    pub fn nginx_socket(&self) -> PathBuf {
        self.nginx().join("nginx.sock")
    }

    /// While this file exists, nginx closes each connection after the answer.
    pub fn draining(&self) -> PathBuf {
        self.nginx().join("draining")
    }

    /// uWSGI's part of it.
    pub fn uwsgi(&self) -> PathBuf {
        self.folder().join("uwsgi")
    }

    /// uWSGI's main file.
    pub fn uwsgi_ini(&self) -> PathBuf {
        self.uwsgi().join("uwsgi.ini")
    }

    /// Where uWSGI tells what its workers do.
    pub fn uwsgi_stats(&self) -> PathBuf {
        self.uwsgi().join("stats.sock")
    }

    /// Where uWSGI takes commands.
    pub fn uwsgi_fifo(&self) -> PathBuf {
        self.uwsgi().join("master.fifo")
    }
}

/// The control socket below a runtime folder.
pub fn control_socket(runtime: &Path) -> PathBuf {
    runtime.join("control.sock")
}
