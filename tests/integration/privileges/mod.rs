//! What code of the application can do that is in the hands of an attacker: nothing that its user may not do anyway.

mod descriptors;
mod reloads;
mod rights;
mod runtime;
mod service_folder;
mod users;

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::http::Request;
use crate::running::Running;
use crate::service::{Service, one_process};

/// The user of the application in these tests.
const WORKER: u32 = 33;

/// The service that runs what is posted to it.
fn compromised() -> Service {
    Service::empty()
        .main_py(include_str!("shell.py"))
        .nginx_config(&one_process())
}

/// The same without a sandbox, whose absence must open nothing else.
fn compromised_without_sandbox() -> Service {
    let mut section = one_process();
    section["landlock"] = json!(false);
    section["seccomp"] = json!(false);
    Service::empty()
        .main_py(include_str!("shell.py"))
        .nginx_config(&section)
}

/// Runs a shell script in a worker of the application; gives what it printed.
#[track_caller]
fn run(running: &Running, script: &str) -> String {
    running.send_ok(&Request::post("/sh", script)).text()
}

/// The value of a line of /proc/PID/status.
fn status_line(pid: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}

/// Changes mode and owner of a folder.
fn chmod(path: &Path, mode: u32, owner: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
