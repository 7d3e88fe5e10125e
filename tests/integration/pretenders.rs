//! Servers that pretend to be the launcher: the commands ask none whose user cannot be the service's, and print nothing
//! that controls a terminal.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::launcher::Launcher;
use crate::output::Output;
use crate::service::{Service, world_accessible_folder};

/// Each test has a user of its own, because the folders in /tmp bear their numbers.
fn user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    3_000_000 + std::process::id() % 100_000 * 10 + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A server in a folder. Dropping it ends the server and removes the folder.
struct Pretender {
    child: Child,
    /// The server itself, which may be a child of what it was started through.
    server: i32,
    user: u32,
    folder: PathBuf,
}

impl Pretender {
    /// In the folder where a launcher of this user would be looked for, started by way of another program.
    fn in_tmp(through: &[&str]) -> Self {
        let user = user();
        let folder = PathBuf::from(format!("/tmp/microservice-flask-{user}"));
        fs::create_dir(&folder).unwrap();
        chown(&folder, Some(user), Some(user)).unwrap();
        Self::start(through, user, folder)
    }

    /// In a folder of root that every user may write to.
    fn in_a_folder_of_root() -> (TempDir, Self) {
        let scratch = world_accessible_folder("pretender-");
        let folder = scratch.path().join("run");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        (scratch, Self::start(&[], user(), folder))
    }

    fn start(through: &[&str], user: u32, folder: PathBuf) -> Self {
        let script = include_str!("pretender.py");
        let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
        let words = [
            "setpriv",
            &uid,
            &gid,
            "--clear-groups",
            "/usr/bin/python3",
            "-c",
            script,
        ];
        let words = [through, &words].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .arg(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "listens\n");
        let outside = child.id();
        let children = format!("/proc/{outside}/task/{outside}/children");
        let inside = fs::read_to_string(children).unwrap();
        let server = if through.is_empty() {
            i32::try_from(outside).unwrap()
        } else {
            inside.trim().parse().unwrap()
        };
        Self {
            child,
            server,
            user,
            folder,
        }
    }

    fn was_asked(&self) -> bool {
        self.folder.join("asked").exists()
    }
}

impl Drop for Pretender {
    fn drop(&mut self) {
        // It may have ended by itself, and the folder may be gone: both are what is wanted.
        let _ = kill(Pid::from_raw(self.server), Signal::SIGKILL);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const COMMANDS: [&[&str]; 5] = [
    &["status"],
    &["status", "--json"],
    &["healthcheck"],
    &["reload"],
    &["restart-worker", "1"],
];

/// The command as root, in a folder that is given or found.
fn command(words: &[&str], folder: Option<&Path>) -> Launcher {
    let service = Service::empty();
    let mut launcher = Launcher::new(&service).command(words).without_options();
    if let Some(folder) = folder {
        launcher = launcher.env("MICROSERVICE_RUNTIME_DIR", folder.display().to_string());
    }
    launcher
}

#[track_caller]
fn assert_no_launcher(words: &[&str], output: &Output) {
    let code = if words == ["healthcheck"] { 2 } else { 69 };
    output.assert_code(code);
}

#[track_caller]
fn assert_harmless(output: &Output) {
    let text = output.text();
    let marks = ['\u{202e}', '\u{fffd}'];
    let harmful = |c: char| c.is_control() && c != '\n' || marks.contains(&c);
    assert!(!text.contains(harmful), "{text:?}");
}

#[test]
fn root_does_not_take_another_users_server_for_the_service() {
    let pretender = Pretender::in_tmp(&[]);
    for words in COMMANDS {
        let output = command(words, None).output();
        assert_no_launcher(words, &output);
        output
            .assert_says(&format!("a process of user {} listens", pretender.user))
            .assert_says(&format!("--runtime-dir {}", pretender.folder.display()));
        assert!(!pretender.was_asked(), "{words:?}");
    }
}

#[test]
fn a_folder_that_root_names_is_asked_and_its_answers_are_harmless() {
    let pretender = Pretender::in_tmp(&[]);
    for words in COMMANDS {
        let output = command(words, Some(&pretender.folder)).output();
        output.assert_code(0);
        assert_harmless(&output);
        // What came after a line end stays in its line, except in texts that have several.
        let forged = output.stdout().lines().any(|line| line == "forged line");
        let may = matches!(words, ["reload" | "restart-worker", ..]);
        assert!(!forged || may, "{words:?}: {}", output.text());
    }
    assert!(pretender.was_asked());
    let json = command(&["status", "--json"], Some(&pretender.folder)).output();
    let status: serde_json::Value = serde_json::from_str(&json.stdout()).unwrap();
    let name = status["name"].as_str().unwrap();
    assert!(name.starts_with("\u{1b}]0;PWNED"), "JSON keeps its values");
}

#[test]
fn a_folder_of_root_is_not_another_users_to_answer_for() {
    let (_scratch, pretender) = Pretender::in_a_folder_of_root();
    for words in COMMANDS {
        let output = command(words, Some(&pretender.folder)).output();
        assert_no_launcher(words, &output);
        output.assert_says("has been replaced");
        assert!(!pretender.was_asked(), "{words:?}");
    }
}

#[test]
fn other_users_trust_only_root_and_themselves() {
    let pretender = Pretender::in_tmp(&[]);
    for words in COMMANDS {
        let output = command(words, Some(&pretender.folder))
            .for_nobody()
            .output();
        assert_no_launcher(words, &output);
        output.assert_says("run the command as the user of the service");
        assert!(!pretender.was_asked(), "{words:?}");
    }
}

#[test]
fn a_control_socket_that_is_a_link_is_not_followed() {
    let running = Launcher::new(&Service::with_slots(1)).start_ready();
    let scratch = world_accessible_folder("link-");
    symlink(
        running.control_socket(),
        scratch.path().join("control.sock"),
    )
    .unwrap();
    for words in COMMANDS {
        let output = command(words, Some(scratch.path())).output();
        assert_no_launcher(words, &output);
        output.assert_says("it is a symbolic link");
    }
    running.run_command(&["healthcheck"]).assert_code(0);
}

/// As `docker exec` does it in a container whose launcher runs without privileges.
#[test]
fn root_trusts_the_user_of_process_1() {
    let container = ["unshare", "--pid", "--mount-proc", "--fork"];
    let pretender = Pretender::in_tmp(&container);
    let inside = pretender.server.to_string();
    let enter = ["nsenter", "--target", &inside, "--pid", "--mount"];
    for words in COMMANDS {
        let output = command(words, None).through(&enter).output();
        output.assert_code(0);
        assert_harmless(&output);
    }
    assert!(pretender.was_asked());
}

#[test]
fn root_asks_the_launcher_of_another_user_in_the_folder_that_it_names() {
    let service = Service::with_slots(1);
    let running = Launcher::new(&service).for_nobody().start_ready();
    running.run_command(&["status"]).assert_code(0);
    running.run_command(&["healthcheck"]).assert_code(0);
    running.run_command(&["reload"]).assert_code(0);
}
