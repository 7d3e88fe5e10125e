//! The application's Python is one that can be run, with the packages and the start of development.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::launcher::{Launcher, SYSTEM_PATH};
use crate::port::free_port;
use crate::running::Running;
use crate::service::{Service, world_accessible_folder};

const APP: &str = r#"
import json, os, subprocess, sys
AT_IMPORT = subprocess.run([sys.executable, "-c", "print(6 * 7)"], stdout=subprocess.PIPE).stdout.decode().strip()

from concurrent.futures import ProcessPoolExecutor
import multiprocessing
from multiprocessing import shared_memory

from flask import Flask

app = Flask(__name__)


def double(x):
    return 2 * x


def set_byte(name):
    segment = shared_memory.SharedMemory(name=name)
    segment.buf[0] = 7
    segment.close()


@app.route("/facts")
def facts():
    return {
        "at import": AT_IMPORT,
        "executable": sys.executable,
        "base": sys._base_executable,
        "prefix": sys.prefix,
        "path": sys.path,
        "argv": sys.argv[:2],
        "orig_argv": sys.orig_argv[:4],
        "flags": repr(sys.flags),
        "spawn": os.fsdecode(multiprocessing.spawn.get_executable()),
        "FLASK_RUN_FROM_CLI": os.environ.get("FLASK_RUN_FROM_CLI"),
        "name": __name__,
    }


@app.route("/pool/<method>")
def pool(method):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as workers:
        return {"list": workers.map(double, range(5))}


@app.route("/executor/<method>")
def executor(method):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as workers:
        return {"list": list(workers.map(double, range(5)))}


@app.route("/manager")
def manager():
    with multiprocessing.Manager() as shared:
        entries = shared.list([1])
        entries.append(2)
        return {"list": list(entries)}


@app.route("/shared")
def shared():
    segment = shared_memory.SharedMemory(create=True, size=100)
    try:
        process = multiprocessing.get_context("spawn").Process(target=set_byte, args=(segment.name,))
        process.start()
        process.join()
        return {"list": [segment.buf[0], process.exitcode]}
    finally:
        segment.close()
        segment.unlink()
"#;

fn service() -> Service {
    Service::with_slots(2).main_py(APP)
}

/// A virtual environment of the system's Python, with Flask from the system and a package of its own.
fn make_venv(folder: &Path) {
    let made = Command::new("/usr/bin/python3")
        .args(["-m", "venv", "--without-pip", "--system-site-packages"])
        .arg(folder)
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .status()
        .unwrap();
    assert!(made.success());
    let packages = std::fs::read_dir(folder.join("lib")).unwrap();
    let python = packages.map(|entry| entry.unwrap().path()).next().unwrap();
    std::fs::write(python.join("site-packages/rum.py"), "AGE = 12\n").unwrap();
}

fn facts(running: &Running) -> Value {
    running.get_ok("/facts").json()
}

#[test]
fn it_is_the_interpreter_of_development() {
    let service = service();
    let development = facts(&{
        let running = Launcher::new(&service)
            .dev()
            .env("FLASK_DEBUG", "0")
            .start();
        running.wait_ok("/facts", std::time::Duration::from_secs(20));
        running
    });
    let production = facts(&Launcher::new(&service).start_ready());
    assert_eq!(production, development);
    assert_eq!(production["at import"], "42");
    assert_eq!(production["executable"], "/usr/bin/python3");
}

#[test]
fn processes_of_every_kind_can_be_started() {
    let running = Launcher::new(&service()).start_ready();
    let doubled = json!({"list": [0, 2, 4, 6, 8]});
    for method in ["fork", "spawn", "forkserver"] {
        for kind in ["pool", "executor"] {
            let path = format!("/{kind}/{method}");
            assert_eq!(running.get_ok(&path).json(), doubled, "{path}");
        }
    }
    assert_eq!(running.get_ok("/manager").json(), json!({"list": [1, 2]}));
    assert_eq!(running.get_ok("/shared").json(), json!({"list": [7, 0]}));
}

#[test]
fn an_unguarded_run_starts_no_second_server() {
    let port = free_port();
    let service = service().main_py(&format!(
        "{APP}\napp.run(port={port})\nif __name__ == '__main__':\n    raise RuntimeError\n"
    ));
    let running = Launcher::new(&service).start_ready();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    running.log.wait_for_text("Ignoring a call to 'app.run()'");
}

#[test]
fn an_unguarded_run_of_flask_socketio_starts_no_second_server() {
    // A stand-in with the check of Flask-SocketIO 5: the real one is tested in `socketio`.
    let stand_in = "import sys, types\n\
        class SocketIO:\n    \
            def __init__(self, mode):\n        \
                self.server = types.SimpleNamespace(eio=types.SimpleNamespace(async_mode=mode))\n    \
            def run(self, app):\n        \
                raise RuntimeError('The Werkzeug web server is not designed to run in production.')\n";
    let main =
        format!("{APP}\nfrom flask_socketio import SocketIO\nSocketIO('threading').run(app)\n");
    let service = service()
        .file("src/flask_socketio.py", stand_in)
        .main_py(&main);
    let running = Launcher::new(&service).start_ready();
    running.log.wait_for_text("socketio.run()");
    let other = main.replace("'threading'", "'gevent'");
    Launcher::new(&service.main_py(&other))
        .output()
        .assert_code(22)
        .assert_says("not designed to run in production");
}

const WITH_PACKAGE: &str = "import rum\n";

#[track_caller]
fn has_the_packages_of(venv: &Path, launcher: impl Fn(&str) -> Launcher) {
    let check = launcher("check").command(&["check"]).output();
    check
        .assert_code(0)
        .assert_says(&format!("packages of {}", venv.display()));
    let facts = facts(&launcher("run").start_ready());
    let executable = venv.join("bin/python3").display().to_string();
    assert_eq!(facts["executable"], executable);
    assert_eq!(facts["spawn"], executable);
    assert_eq!(facts["prefix"], venv.display().to_string());
}

#[test]
fn a_virtual_environment_elsewhere_is_honoured() {
    let folder = world_accessible_folder("venv-");
    let venv = folder.path().join("rum");
    make_venv(&venv);
    let service = service().main_py(&format!("{WITH_PACKAGE}{APP}"));
    let name = venv.display().to_string();
    has_the_packages_of(&venv, |_| {
        Launcher::new(&service).env("VIRTUAL_ENV", name.clone())
    });
    has_the_packages_of(&venv, |_| {
        Launcher::new(&service).path_before(&venv.join("bin"))
    });
    // Without either, the package is missing.
    Launcher::new(&service)
        .output()
        .assert_code(22)
        .assert_says("No module named 'rum'");
}

#[test]
fn the_services_own_virtual_environment_comes_first() {
    let folder = world_accessible_folder("venv-");
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("pyvenv.cfg"), "version = 2.7.18\n").unwrap();
    let service = service().main_py(&format!("{WITH_PACKAGE}{APP}"));
    make_venv(&service.root().join("venv"));
    let name = other.display().to_string();
    has_the_packages_of(&service.root().join("venv"), |_| {
        Launcher::new(&service).env("VIRTUAL_ENV", name.clone())
    });
}

#[test]
fn a_virtual_environment_that_cannot_be_used_is_refused_by_check_too() {
    let folder = world_accessible_folder("venv-");
    let venv = folder.path().join("old");
    make_venv(&venv);
    let file = venv.join("pyvenv.cfg");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "version = 3.6.9\n").unwrap();
    let service = service();
    let name = venv.display().to_string();
    let launcher = || Launcher::new(&service).env("VIRTUAL_ENV", name.clone());
    let refused = |says: &str| {
        for command in [&["check"][..], &["run", "--production"]] {
            let output = launcher().command(command).output();
            output
                .assert_code(78)
                .assert_says(says)
                .assert_says("VIRTUAL_ENV");
        }
    };
    refused("pip install pyuwsgi");
    if nix::unistd::geteuid().is_root() {
        std::fs::write(&file, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&venv, mode).unwrap();
        refused("cannot enter");
    }
}

#[test]
fn a_variable_that_names_no_virtual_environment_is_warned_of() {
    let output = Launcher::new(&service())
        .command(&["check"])
        .env("VIRTUAL_ENV", "/nonexistent/venv")
        .output();
    output.assert_code(0).assert_says("holds no pyvenv.cfg");
}

#[test]
fn a_python_that_the_workers_cannot_run_is_warned_of() {
    let service = service();
    let venv = service.root().join("venv");
    make_venv(&venv);
    let python = venv.join("bin/python3");
    std::fs::remove_file(&python).unwrap();
    std::os::unix::fs::symlink("/nonexistent/python3", &python).unwrap();
    let output = Launcher::new(&service).command(&["check"]).output();
    output
        .assert_code(0)
        .assert_says(&format!("cannot run {}", python.display()));
    // Another Python of the same version is better than none.
    let facts = facts(&Launcher::new(&service).start_ready());
    assert_eq!(facts["at import"], "42");
    assert_eq!(facts["executable"], "/usr/bin/python3");
}
