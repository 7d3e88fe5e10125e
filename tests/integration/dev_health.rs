//! Health in development: the commands find the launcher, and broken code is a warning, not the end.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::http::get;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const SOON: Duration = Duration::from_secs(60);

#[track_caller]
fn wait_for_health(running: &Running, code: i32, says: &str) {
    until(SOON, says, || {
        let output = running.run_command(&["healthcheck"]);
        let is_it = output.exit.code == Some(code) && output.text().contains(says);
        is_it.then_some(())
    });
}

#[test]
fn a_container_in_development_is_healthy_also_while_code_is_broken() {
    let service = Service::with_slots(2);
    let mut running = Launcher::new(&service).dev().start();
    wait_for_health(&running, 0, "flask runs (development)");
    let socket = running.control_socket();
    let ask = |path: &str| get(socket.as_path(), path).unwrap();
    assert_eq!(ask("/readyz").text(), "ready\n");
    assert_eq!(ask("/livez").status, 200);
    running
        .run_command(&["status"])
        .assert_code(0)
        .assert_says("probe is well: ready for")
        .assert_says("this is development");
    running
        .run_command(&["reload"])
        .assert_code(75)
        .assert_says("flask loads a file again when it changes");
    for command in [&["status", "--stacks"][..], &["profile"]] {
        running
            .run_command(command)
            .assert_code(1)
            .assert_says("this is development: there are no workers");
    }

    // Flask shows broken code on the terminal and waits for it to be mended: a container is left alone meanwhile.
    let good = std::fs::read_to_string(service.root().join("src/main.py")).unwrap();
    service.write("src/main.py", "broken syntax(");
    until(SOON, "flask has noticed", || {
        let answer = running.get("/version").ok()?;
        (answer.status == 500).then_some(())
    });
    wait_for_health(&running, 0, "flask runs");
    running.assert_runs();
    service.write("src/main.py", &good);
    running.wait_ok("/version", SOON);

    // The runtime folder is taken: the second one runs without a socket.
    let mut second = Launcher::new(&service)
        .dev()
        .runtime_dir(&running.own_runtime())
        .start();
    until(SOON, "the second one answers", || {
        second.get("/version").ok()
    });
    second.signal(Signal::SIGTERM);
    assert!(matches!(second.wait_exit(SOON).code, Some(0 | 143)));
    wait_for_health(&running, 0, "flask runs");
    assert!(matches!(running.stop(SOON).code, Some(0 | 143)));
    assert_eq!(running.run_command(&["healthcheck"]).exit.code, Some(2));
}
