//! HOME is a folder that the application can write, and a missing permission is reported with what to do.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use serde_json::{Value, json};

use crate::launcher::Launcher;
use crate::log::Line;
use crate::running::Running;
use crate::service::{Service, world_accessible_folder};
use crate::startup::SECONDS;
use crate::wait::until;

const APP: &str = r#"
import getpass, os, sqlite3
from flask import Flask

app = Flask(__name__)


@app.route("/home")
def home():
    path = os.path.join(os.path.expanduser("~"), "written")
    with open(path, "w") as file:
        file.write("x")
    return {"home": os.environ["HOME"], "user": getpass.getuser(), "logname": os.environ["LOGNAME"], "uid": os.getuid()}


@app.route("/write")
def write():
    with open("note.txt", "w") as file:
        file.write("x")
    return "written"


def connect():
    database = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rum.sqlite")
    return sqlite3.connect(database)


@app.route("/database")
def database():
    try:
        connection = connect()
        connection.execute("CREATE TABLE t (x)")
    except sqlite3.Error as error:
        raise RuntimeError("no database") from error
    return "made"
"#;

fn service() -> Service {
    let service = Service::with_slots(1).main_py(APP);
    fs::set_permissions(
        service.root().join("src"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    service
}

fn home(running: &Running) -> Value {
    running.get_ok("/home").json()
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn a_home_that_can_be_written_stays() {
    let folder = world_accessible_folder("home-");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let name = folder.path().display().to_string();
    let running = Launcher::new(&service())
        .env("HOME", name.clone())
        .start_ready();
    assert_eq!(home(&running)["home"], name);
}

#[test]
fn without_a_home_there_is_one_of_the_runtime_folder() {
    let running = Launcher::new(&service()).env("USER", "root").start_ready();
    let own = running.runtime().join("home");
    let seen = home(&running);
    assert_eq!(seen["home"], own.display().to_string());
    assert!(own.join("written").is_file());
    assert_eq!(
        fs::metadata(&own).unwrap().permissions().mode() & 0o7777,
        0o700
    );
    if is_root() {
        assert_eq!(seen["user"], "www-data");
        assert_eq!(seen["logname"], "www-data");
    }
    let told =
        |line: &Line| line.is_from("launcher") && line.text.contains("home folder of its own");
    let line = running.log.wait_for("the folder", told);
    assert_eq!(line.str("level"), "info");
    running.run_command(&["reload"]).assert_code(0);
    assert_eq!(home(&running)["home"], own.display().to_string());
    assert_eq!(running.log.filter(told).len(), 1);
    running
        .command(&["check"])
        .output()
        .assert_code(0)
        .assert_says("home in the runtime folder");
}

#[test]
fn another_user_without_privileges_has_a_home_too() {
    let running = Launcher::new(&service()).for_nobody().start_ready();
    let seen = home(&running);
    assert_eq!(
        seen["home"],
        running.runtime().join("home").display().to_string()
    );
}

/// The start fails, and the reason says who, what and what to do.
#[track_caller]
fn fails_with_hint(main_py: &str, parts: &[&str]) {
    let service = service().main_py(main_py);
    let output = Launcher::new(&service).output();
    output.assert_code(22);
    let reason = output
        .log
        .filter(|line| line.text.contains("cannot import main.py"));
    let [reason] = &reason[..] else {
        panic!("{}", output.text());
    };
    for part in parts {
        let part = part.replace("SRC", &service.root().join("src").display().to_string());
        assert!(reason.text.contains(&part), "no {part}: {}", reason.text);
    }
}

const WHO: &str = "runs as www-data (uid 33)";

#[test]
fn a_folder_that_cannot_be_made_at_import_is_explained() {
    if !is_root() {
        return;
    }
    let owner = "SRC belongs to root (uid 0), mode 0755";
    fails_with_hint(
        "from flask import Flask\nimport os\napp = Flask(__name__)\nos.makedirs(os.path.join('instance', 'a'))\n",
        &[
            WHO,
            owner,
            "RUN mkdir -p SRC/instance && chown www-data SRC/instance",
        ],
    );
    fails_with_hint(
        "open('log.txt', 'a')\n",
        &[
            WHO,
            "cannot create SRC/log.txt",
            owner,
            "chown www-data SRC",
            "key user",
        ],
    );
}

#[test]
fn a_database_that_cannot_be_opened_at_import_is_explained() {
    if !is_root() {
        return;
    }
    let direct = "import os, sqlite3\nHERE = os.getcwd()\nsqlite3.connect(os.path.join(HERE, 'rum.sqlite'))\n";
    let parts = [WHO, "cannot create SRC/rum.sqlite", "chown www-data SRC"];
    fails_with_hint(direct, &parts);
    let wrapped = "import sqlite3\n\
        def db(path):\n    \
            try:\n        \
                return sqlite3.connect(\n            f'{path}/rum.sqlite',\n            timeout=1,\n        )\n    \
            except sqlite3.Error as error:\n        \
                raise ValueError('wrapped') from error\n\
        import os\ndb(os.getcwd())\n";
    fails_with_hint(wrapped, &parts);
}

#[test]
fn requests_that_may_not_write_are_explained() {
    if !is_root() {
        return;
    }
    let service = service();
    let database = service.root().join("src/rum.sqlite");
    let running = Launcher::new(&service).start_ready();
    let explained = |path: &str, part: &str| {
        let lines = || {
            let is_hint = |line: &Line| line.text.contains(WHO) && line.text.contains(part);
            running.log.filter(is_hint).len()
        };
        let seen = lines();
        assert_eq!(running.get(path).unwrap().status, 500);
        until(SECONDS, part, || (lines() > seen).then_some(()));
    };
    explained("/write", "note.txt");
    explained("/database", "rum.sqlite");
    // A database that only the workers' own commands cannot change.
    fs::write(&database, "").unwrap();
    explained("/database", "rum.sqlite belongs to root");
    chown_to_workers(&database);
    explained("/database", "src belongs to root");
}

fn chown_to_workers(path: &Path) {
    chown(path, Some(33), Some(33)).unwrap();
}

#[test]
fn an_exception_that_passes_flask_is_explained_in_its_record() {
    if !is_root() {
        return;
    }
    let main = format!("{APP}\napp.config['PROPAGATE_EXCEPTIONS'] = True\n");
    let service = service().main_py(&main);
    let running = Launcher::new(&service).start_ready();
    assert_eq!(running.get("/write").unwrap().status, 500);
    let line = running.log.wait_for("the record", |line| {
        line.message().starts_with("GET /write failed")
    });
    assert!(line.message().contains(WHO), "{line:?}");
}

#[test]
fn the_configuration_can_name_the_user() {
    if !is_root() {
        return;
    }
    let service =
        service().nginx_config(&json!({"wsgi_worker_threads_count": 1, "user": "nobody"}));
    let seen = home(&Launcher::new(&service).start_ready());
    assert_eq!(seen["user"], "nobody");
}
