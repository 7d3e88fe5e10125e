//! Text of the application is encoded as by python3 in the same environment, whatever locale it names.

use std::process::Command;

use serde_json::Value;

use crate::launcher::{Launcher, SYSTEM_PATH};
use crate::log::Line;
use crate::service::Service;

/// Prints what decides about encodings; the same text runs in the service and under python3.
const FACTS: &str = r#"
import json, locale, os, subprocess, sys, tempfile

def tried(what):
    try:
        return what()
    except Exception as error:
        return type(error).__name__

def written():
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("na\u00efve \u2603")
        file.flush()
        with open(file.name, "rb") as raw:
            return raw.read().hex()

def read(path):
    with open(path) as file:
        return ascii(file.read())

def named():
    folder = tempfile.mkdtemp()
    with open(os.path.join(os.fsencode(folder), b"\xc3\x84rger"), "wb"):
        pass
    return ascii(os.listdir(folder))

def code(path):
    script = "import os, sys; print(os.path.basename(%r), sys.flags.utf8_mode)" % path
    return subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE).stdout.hex()

def facts(path):
    environment = {name: value for name, value in os.environ.items() if name.startswith(("LC_", "LANG", "PYTHON"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    list = {
        "written": tried(written),
        "read": tried(lambda: read(path)),
        "named": tried(named),
        "program": tried(lambda: ascii(subprocess.run(["cat", path], stdout=subprocess.PIPE, universal_newlines=True).stdout)),
        "python": tried(lambda: code("\u00c4")),
        "preferred": locale.getpreferredencoding(False),
        "files": sys.getfilesystemencoding() + " " + sys.getfilesystemencodeerrors(),
        "mode": sys.flags.utf8_mode,
        "environment": environment,
    }
    # A library that takes the user's locale.
    tried(lambda: locale.setlocale(locale.LC_ALL, ""))
    list["after setlocale"] = [tried(written), tried(lambda: read(path))]
    return json.dumps(list, sort_keys=True)
"#;

const APP: &str = r#"
from facts import facts as collect
from flask import Flask

app = Flask(__name__)

@app.route("/facts")
def facts():
    return collect("greeting.txt")
"#;

fn service() -> Service {
    Service::with_slots(1)
        .main_py(APP)
        .file("src/facts.py", FACTS)
        .file("src/greeting.txt", "Gr\u{fc}\u{df}e \u{2603}")
}

/// What python3 says in this environment.
fn with_python3(service: &Service, pairs: &[(&str, &str)]) -> Value {
    let script = "from facts import facts; print(facts('greeting.txt'))";
    let output = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .current_dir(service.root().join("src"))
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(pairs.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {output:?}"))
}

#[track_caller]
fn is_as_with_python3(pairs: &[(&str, &str)]) -> Value {
    let service = service();
    let mut launcher = Launcher::new(&service);
    for (name, value) in pairs {
        launcher = launcher.env(name, *value);
    }
    let running = launcher.start_ready();
    let facts = running.get_ok("/facts").json();
    assert_eq!(facts, with_python3(&service, pairs), "{pairs:?}");
    facts
}

#[track_caller]
fn is_utf8(pairs: &[(&str, &str)]) {
    let facts = is_as_with_python3(pairs);
    assert_eq!(facts["read"], r"'Gr\xfc\xdfe \u2603'", "{facts}");
    assert_eq!(facts["program"], r"'Gr\xfc\xdfe \u2603'", "{facts}");
    assert_eq!(facts["named"], r"['\xc4rger']", "{facts}");
    assert_eq!(facts["written"], "6e61c3af766520e29883", "{facts}");
}

#[test]
fn without_a_locale_text_is_utf8() {
    is_utf8(&[]);
}

#[test]
fn in_the_locale_c_text_is_utf8() {
    is_utf8(&[("LANG", "C")]);
    is_utf8(&[("LC_ALL", "C")]);
    is_utf8(&[("LC_ALL", "POSIX"), ("LC_CTYPE", "C")]);
    is_utf8(&[("LC_CTYPE", "C"), ("LANG", "C.UTF-8")]);
}

#[test]
fn in_a_locale_that_is_not_installed_text_is_utf8() {
    is_utf8(&[("LANG", "xx_XX.UTF-8")]);
    is_utf8(&[("LC_ALL", "xx_XX.ISO-8859-1")]);
}

#[test]
fn in_a_locale_with_utf8_nothing_changes() {
    is_utf8(&[("LANG", "C.UTF-8")]);
    is_utf8(&[("LC_ALL", "C.UTF-8"), ("LANG", "C")]);
}

#[test]
fn the_variables_of_python_have_their_effect() {
    is_utf8(&[("PYTHONUTF8", "1"), ("LC_ALL", "C")]);
    is_utf8(&[("PYTHONUTF8", "1"), ("LANG", "C.UTF-8")]);
    is_utf8(&[("PYTHONCOERCECLOCALE", "0")]);
    is_utf8(&[("PYTHONUTF8", "0")]);
}

#[test]
fn text_that_is_not_utf8_is_warned_of() {
    let pairs = [("PYTHONUTF8", "0"), ("LC_ALL", "C")];
    let facts = is_as_with_python3(&pairs);
    assert_eq!(facts["written"], "UnicodeEncodeError", "{facts}");
    let output = Launcher::new(&service())
        .command(&["check"])
        .env("PYTHONUTF8", "0")
        .env("LC_ALL", "C")
        .output();
    output.assert_code(0).assert_says("as ASCII");
}

#[test]
fn the_log_is_utf8_without_a_locale() {
    let service = Service::with_slots(1).with_prelude("print('Gr\u{fc}\u{df}e \u{2603}')");
    let running = Launcher::new(&service).start_ready();
    running.log.wait_for("the greeting", |line: &Line| {
        line.message() == "Gr\u{fc}\u{df}e \u{2603}"
    });
}
