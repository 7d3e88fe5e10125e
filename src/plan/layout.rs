//! The paths below the runtime folder. Each is defined only here.
//!
//! RUNTIME stands for RUNTIME/private where others may write to RUNTIME, but for the control socket.
//!
//! ```text
//! RUNTIME/app.sock              the application's socket, bound by the launcher and shared by all generations
//! RUNTIME/control.sock          the control socket
//! RUNTIME/disk-full             there while large responses are refused for lack of disk, else disk-not-full
//! RUNTIME/home/                 HOME of the workers when they can write to no other; belongs to their user
//! RUNTIME/GENERATION/nginx/     nginx.conf, mime.types, draining
//! RUNTIME/GENERATION/nginx/run/   nginx.pid, nginx.sock; belongs to nginx's user
//! RUNTIME/GENERATION/nginx/temp/  bodies and responses on disk; belongs to nginx's user
//! RUNTIME/GENERATION/uwsgi/     uwsgi.ini, entry module, stats.sock, master.fifo; belongs to the workers' user
//! ```

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The paths of one generation of configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The option `--runtime-dir`, or its default; the folder `private` in it where others may write to that.
    pub runtime: PathBuf,
    /// Number of the generation, from 1.
    pub generation: u32,
    /// Whether this is the canary of the generation, which has its own folder and application socket.
    pub canary: bool,
}

impl Layout {
    /// The socket between nginx and the application; a canary has a private one.
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

    /// The folder of nginx's files.
    pub fn nginx(&self) -> PathBuf {
        self.folder().join("nginx")
    }

    /// The folder for what nginx makes when it starts; belongs to its user.
    pub fn nginx_run(&self) -> PathBuf {
        self.nginx().join("run")
    }

    /// The folder for bodies and responses on disk; belongs to nginx's user.
    pub fn nginx_temp(&self) -> PathBuf {
        self.nginx().join("temp")
    }

    /// nginx's main configuration file.
    pub fn nginx_conf(&self) -> PathBuf {
        self.nginx().join("nginx.conf")
    }

    /// A private socket of nginx for the readiness probe and its connection counts.
    pub fn nginx_socket(&self) -> PathBuf {
        self.nginx_run().join("nginx.sock")
    }

    /// While this file exists, nginx closes each connection after the response.
    pub fn draining(&self) -> PathBuf {
        self.nginx().join("draining")
    }

    /// As soon as this file exists, the workers close their WebSockets.
    pub fn leaving(&self) -> PathBuf {
        self.folder().join("leaving")
    }

    /// While this file exists, the workers refuse responses that nginx would have to keep on disk. All generations share
    /// the disk.
    pub fn disk_full(&self) -> PathBuf {
        self.runtime.join("disk-full")
    }

    /// The name of that file otherwise.
    pub fn disk_not_full(&self) -> PathBuf {
        self.runtime.join("disk-not-full")
    }

    /// The home folder that the launcher makes for the workers.
    pub fn home(&self) -> PathBuf {
        self.runtime.join("home")
    }

    /// The folder of uWSGI's files; belongs to the workers' user.
    pub fn uwsgi(&self) -> PathBuf {
        self.folder().join("uwsgi")
    }

    /// uWSGI's configuration file.
    pub fn uwsgi_ini(&self) -> PathBuf {
        self.uwsgi().join("uwsgi.ini")
    }

    /// uWSGI's stats socket, which reports the state of its workers.
    pub fn uwsgi_stats(&self) -> PathBuf {
        self.uwsgi().join("stats.sock")
    }

    /// uWSGI's master FIFO, which accepts commands.
    pub fn uwsgi_fifo(&self) -> PathBuf {
        self.uwsgi().join("master.fifo")
    }
}

/// The control socket below a runtime folder.
pub fn control_socket(runtime: &Path) -> PathBuf {
    runtime.join("control.sock")
}
