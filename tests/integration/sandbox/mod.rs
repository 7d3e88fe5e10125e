//! What the application and nginx may write (Landlock), and which system calls they may make (seccomp).
//!
//! The tests need a kernel with both: where it has not, they fail instead of passing for nothing.

mod calls;
mod files;
mod told;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Request;
use crate::running::Running;
use crate::service::Service;

/// Runs the code that is posted, and answers its `result`.
pub(super) const APP: &str = r#"
import errno, os, sys
from flask import Flask, request

app = Flask(__name__)


def outcome(run):
    """None, or the name of the error."""
    try:
        run()
    except OSError as error:
        return errno.errorcode[error.errno]


def write(path):
    return outcome(lambda: open(path, "w").close())


def call(number, *arguments):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        return errno.errorcode[ctypes.get_errno()]


@app.get("/")
def ready():
    return "ready"


@app.post("/run")
def run():
    scope = dict(globals(), result=None)
    exec(request.get_data(as_text=True), scope)
    return {"result": scope["result"]}
"#;

pub(super) fn service(section: &Value) -> Service {
    let mut section = section.clone();
    let keys = section.as_object_mut().unwrap();
    keys.insert("wsgi_worker_threads_count".to_owned(), json!(2));
    Service::new().main_py(APP).nginx_config(&section)
}

#[track_caller]
pub(super) fn run(running: &Running, code: &str) -> Value {
    let response = running.send_ok(&Request::post("/run", code));
    response.json()["result"].clone()
}

/// What comes of writing a new file in a folder.
#[track_caller]
pub(super) fn writes(running: &Running, folder: &Path) -> Value {
    let path = folder.join("x");
    run(running, &format!("result = write('{}')", path.display()))
}

/// A folder that everybody may write, outside those for temporary files.
pub(super) fn open_folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("sandbox-")
        .tempdir_in("/srv")
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

pub(super) fn denied() -> Value {
    json!("EACCES")
}
