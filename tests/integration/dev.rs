//! Development mode: flask with reloader, debugger and terminal, unchanged by the launcher.

use std::io::Write as _;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::{background, parallel};
use crate::log::Stream;
use crate::service::{PROBE_APP, Service};
use crate::wait::until;

/// Generous: flask imports the application twice, and its reloader checks once a second.
const SOON: Duration = Duration::from_secs(25);

/// Runs its arguments in a new terminal and exits with their exit code.
const IN_A_TERMINAL: &str =
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

fn service() -> Service {
    Service::empty().main_py(PROBE_APP)
}

#[test]
fn the_default_mode_is_development() {
    let mut running = Launcher::new(&service()).command(&["run"]).start();
    running.wait_ok("/", SOON);
    assert!(
        running.children_named("uwsgi").is_empty() && running.children_named("nginx").is_empty()
    );
    running.signal(Signal::SIGTERM);
    running.wait_exit(Duration::from_secs(5));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn use_nginx_selects_the_mode_and_flags_override_it() {
    let production = Launcher::new(&service().config(&json!({"use_apache": true})))
        .command(&["run"])
        .start_ready();
    assert!(!production.children_named("nginx").is_empty());
    let dev = Launcher::new(&service().config(&json!({"use_nginx": true})))
        .dev()
        .start();
    dev.wait_ok("/", SOON);
    assert!(dev.children_named("nginx").is_empty());
}

#[test]
fn requests_are_served_one_by_one() {
    let running = Launcher::new(&service()).dev().start();
    running.wait_ok("/", SOON);
    let mut spans = parallel(3, |_| {
        let body = running.get_ok("/delay/0.4").json();
        (
            body["start"].as_f64().unwrap(),
            body["end"].as_f64().unwrap(),
        )
    });
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(
        spans.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{spans:?}"
    );
}

#[test]
fn flask_runs_in_debug_mode_with_unchanged_output() {
    let running = Launcher::new(&service()).dev().start();
    running.wait_ok("/", SOON);
    running.send_ok(&Request::post("/say", "printed 0").header("Connection", "close"));
    // The output of flask and the application is passed on without a record around it.
    let printed = running
        .log
        .wait_for("the print", |line| line.text == "printed 0");
    assert_eq!(printed.stream, Stream::Stdout);
    let environment = running.get_ok("/environment").json();
    assert_eq!(environment["FLASK_APP"], "main.py");
    assert_eq!(environment["FLASK_DEBUG"], "1");
    // The debugger's page, with the exception.
    let boom = running.get("/boom").unwrap();
    assert_eq!(boom.status, 500);
    assert!(boom.text().contains("the probe was asked to fail"));
}

#[test]
fn term_ends_flask_and_its_reloader_child() {
    let mut running = Launcher::new(&service()).dev().start();
    running.wait_ok("/", SOON);
    assert!(
        running.family().len() >= 3,
        "launcher, flask and its child: {:?}",
        running.family()
    );
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(5));
    assert!(matches!(exit.code, Some(0 | 143)), "{exit:?}");
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn term_ends_flask_with_an_in_flight_request() {
    let service = service();
    let mut running = Launcher::new(&service).dev().start();
    running.wait_ok("/", SOON);
    let _hung = background(
        running.address,
        Request::get("/hang?note=hung").timeout(SOON),
    );
    service.wait_for_notes("hung", 1);
    running.signal(Signal::SIGTERM);
    running.wait_exit(Duration::from_secs(15));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn no_process_survives_a_killed_launcher() {
    let mut running = Launcher::new(&service()).dev().start();
    running.wait_ok("/", SOON);
    running.signal(Signal::SIGKILL);
    running.wait_exit(Duration::from_secs(2));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn the_exit_code_is_flasks_own() {
    let output = Launcher::new(&Service::empty().main_py("import os\nos._exit(7)\n"))
        .dev()
        .output();
    output.assert_code(7);
    let killed =
        Service::empty().main_py("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n");
    Launcher::new(&killed).dev().output().assert_code(128 + 9);
}

#[test]
fn an_edit_is_reloaded_and_a_syntax_error_can_be_fixed() {
    let service = service();
    let mut running = Launcher::new(&service).dev().start();
    running.wait_ok("/version", SOON);
    service.write_version("2");
    until(SOON, "the edit is live", || {
        running
            .get("/version")
            .ok()
            .filter(|answer| answer.text() == "2")
    });
    service.write(
        "src/main.py",
        "from flask import Flask\napp = = Flask(__name__)\n",
    );
    until(SOON, "the syntax error is told", || {
        running
            .get("/version")
            .ok()
            .filter(|answer| answer.status == 500 && answer.text().contains("SyntaxError"))
    });
    running.assert_runs();
    service.write_version("3");
    until(SOON, "the fix is live", || {
        running
            .get("/version")
            .ok()
            .filter(|answer| answer.text() == "3")
    });
    running.assert_runs();
}

#[test]
fn arguments_after_dashes_go_to_flask() {
    let service = service();
    let running = Launcher::new(&service)
        .dev()
        .after(&["--", "--no-reload"])
        .start();
    running.wait_ok("/", SOON);
    // Without the reloader there is one flask process.
    assert_eq!(running.family().len(), 2, "{:?}", running.family());
}

#[test]
fn a_missing_flask_is_reported_with_a_hint() {
    let service = service();
    // An isolated Python sees no packages of the system.
    let folder = crate::service::world_accessible_folder("path-");
    let script = folder.path().join("python3");
    std::fs::write(&script, "#!/bin/sh\nexec /usr/bin/python3 -S -I \"$@\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let output = Launcher::new(&service)
        .dev()
        .path_before(folder.path())
        .output();
    assert!(
        !matches!(output.exit.code, Some(0) | None),
        "{:?}",
        output.exit
    );
    output.assert_says("flask");
}

pub(crate) fn in_a_terminal(service: &Service) -> Launcher {
    Launcher::new(service)
        .dev()
        .through(&["/usr/bin/python3", "-c", IN_A_TERMINAL])
        .env("TERM", "xterm")
}

#[test]
fn flask_keeps_the_terminal() {
    let service = service().with_prelude(
        "import os, sys\nprint('terminals', os.isatty(0), os.isatty(1), os.isatty(2), flush=True)\n\
         print('foreground', os.tcgetpgrp(0) == os.getpgrp(), flush=True)\n",
    );
    let mut running = in_a_terminal(&service).with_input().start();
    running.wait_ok("/", SOON);
    running.log.wait_for_text("terminals True True True");
    // A background process that reads the terminal, as pdb does, would be stopped by the kernel.
    running.log.wait_for_text("foreground True");
    assert!(!running.log.contains("foreground False"));
    // Control-C
    running
        .child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"\x03")
        .unwrap();
    running.wait_exit(Duration::from_secs(10));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn a_debugger_can_read_the_terminal() {
    let service = service().with_prelude("import pdb\n");
    let asks =
        format!("{PROBE_APP}\n\n@app.route('/ask')\ndef ask():\n    return input('which rum? ')\n");
    service.write("src/main.py", &asks);
    let mut running = in_a_terminal(&service).with_input().start();
    running.wait_ok("/", SOON);
    let answer = background(
        running.address,
        Request::get("/ask").header("Connection", "close"),
    );
    // A prompt has no end of line; the echo of what is typed gives it one.
    running
        .child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"dark\n")
        .unwrap();
    assert_eq!(answer.join().unwrap().unwrap().text(), "dark");
    running.signal(Signal::SIGKILL);
}
