//! The virtual environments of the services: made once for each requirements.txt, below target/.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex};

/// More at a time would only take the CPUs from each other.
const AT_ONCE: usize = 2;

/// The name of the environment that has pip; the others are made without it, which saves 2 s for each.
const PIP: &str = "pip";

/// The services of this repository.
pub(super) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/libraries")
        .join(name)
}

/// The environment with the packages of a service.
pub(super) fn of(name: &str) -> PathBuf {
    let requirements = folder(name).join("requirements.txt");
    let mut hash = DefaultHasher::new();
    fs::read(&requirements).unwrap().hash(&mut hash);
    let pip = made(PIP, PIP, |venv| create(name, venv, &[]));
    made(name, &format!("{name}-{:016x}", hash.finish()), |venv| {
        create(name, venv, &["--without-pip"]);
        let mut install = Command::new(pip.join("bin/pip"));
        install
            .arg("--python")
            .arg(venv.join("bin/python"))
            .args(["install", "--quiet", "--retries", "1", "--requirement"])
            .arg(&requirements);
        run(name, &mut install);
    })
}

fn create(name: &str, venv: &Path, options: &[&str]) {
    let mut create = Command::new("/usr/bin/python3");
    create.args(["-m", "venv"]).args(options).arg(venv);
    run(name, &mut create);
}

/// A folder that this or an earlier run has made completely.
fn made(name: &str, folder: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("libraries")
        .join(folder);
    let complete = path.join("complete");
    let _turn = Turn::take(name);
    if !complete.exists() {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                panic!("{}: {error}", path.display())
            }
            _ => make(&path),
        }
        fs::write(complete, "").unwrap();
    }
    path
}

#[track_caller]
fn run(name: &str, command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the tests with tests/libraries/{name} DID NOT RUN, and count as failed: no packages (is PyPI in reach?)\n\
         {command:?}: {said}"
    );
}

/// The names whose environments are being made.
static TURNS: (Mutex<BTreeSet<String>>, Condvar) = (Mutex::new(BTreeSet::new()), Condvar::new());

/// The right to make an environment, until it is dropped.
struct Turn(String);

impl Turn {
    fn take(name: &str) -> Self {
        let (turns, changed) = &TURNS;
        let is_taken =
            |turns: &mut BTreeSet<String>| turns.len() >= AT_ONCE || turns.contains(name);
        let mut turns = changed.wait_while(turns.lock().unwrap(), is_taken).unwrap();
        turns.insert(name.to_owned());
        Self(name.to_owned())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (turns, changed) = &TURNS;
        turns.lock().unwrap().remove(&self.0);
        changed.notify_all();
    }
}
