//! What the services talk to: PostgreSQL, Redis and a stand-in for all that receives. Each is started on loopback with a
//! folder of its own, and ends with the test.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::User;
use serde_json::Value;
use tempfile::TempDir;

use super::venv;
use crate::http::get;
use crate::port::free_port;
use crate::service::world_accessible_folder;
use crate::wait::until;

/// On a loaded machine.
const START: Duration = Duration::from_secs(30);

/// A server that ends with its value.
pub(super) struct Server {
    process: Child,
    pub(super) port: u16,
    // Held for its Drop.
    _folder: Option<TempDir>,
}

impl Server {
    fn start(command: &mut Command, port: u16, folder: Option<TempDir>) -> Self {
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            process,
            port,
            _folder: folder,
        };
        until(START, &format!("{command:?} listens"), || {
            let ended = server.process.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        server
    }

    /// Redis, empty.
    pub(super) fn redis() -> Self {
        let (port, folder) = (free_port(), world_accessible_folder("redis-"));
        let mut command = ending_with_us("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--port"])
            .arg(port.to_string())
            .arg("--dir")
            .arg(folder.path());
        Self::start(&mut command, port, Some(folder))
    }

    /// PostgreSQL with an empty database `postgres`, for everybody.
    pub(super) fn postgresql() -> Self {
        let (port, folder) = (free_port(), world_accessible_folder("postgresql-"));
        let user = User::from_name("postgres")
            .unwrap()
            .expect("Debian's postgresql");
        chown(
            folder.path(),
            Some(user.uid.as_raw()),
            Some(user.gid.as_raw()),
        )
        .unwrap();
        let data = folder.path().join("data");
        let made = as_postgres("initdb")
            .args(["--auth=trust", "--no-sync", "--locale=C.UTF-8", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "initdb: {said}");
        let mut command = as_postgres("postgres");
        command
            .args(["-c", "fsync=off", "-k", "", "-h", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .arg("-D")
            .arg(data);
        let server = Self::start(&mut command, port, Some(folder));
        // It listens before it answers.
        until(START, "PostgreSQL answers", || {
            server.ask_postgresql("SELECT 1")
        });
        server
    }

    /// Runs SQL; None where the server did not accept it.
    pub(super) fn ask_postgresql(&self, sql: &str) -> Option<String> {
        let output = Command::new(postgresql_program("psql"))
            .args(["-U", "postgres", "-h", "127.0.0.1", "-p"])
            .arg(self.port.to_string())
            .args(["-tAc", sql])
            .output()
            .unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// tests/libraries/upstream.py, with the packages of a service.
    pub(super) fn upstream(name: &str) -> Self {
        let port = free_port();
        let python = venv::of(name).join("bin/python");
        let mut command = ending_with_us(python);
        command
            .arg(venv::folder("upstream.py"))
            .arg(port.to_string());
        Self::start(&mut command, port, None)
    }

    /// What the stand-in has received of a kind.
    pub(super) fn received(&self, kind: &str) -> Vec<Value> {
        let answer = get(SocketAddr::from(([127, 0, 0, 1], self.port)), "/received").unwrap();
        answer.json()[kind].as_array().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is only its end to be taken note of.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program that the kernel kills when the test's thread ends, however it ends.
fn ending_with_us(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program.as_ref());
    command
}

/// A program of PostgreSQL, which does not run as root.
fn as_postgres(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--reuid=postgres"])
        .args(["--regid=postgres", "--init-groups"])
        .arg(postgresql_program(program))
        .current_dir("/");
    command
}

/// Debian has a folder for each version, which is not in PATH.
fn postgresql_program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("Debian's postgresql");
    versions
        .map(|version| version.unwrap().path().join("bin").join(name))
        .find(|program| program.exists())
        .unwrap()
}
