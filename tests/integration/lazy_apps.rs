//! `lazy-apps`: each process imports the application itself, also long after the start.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

fn lazy(service: Service, value: &Value) -> Service {
    service.config(&json!({
        "use_nginx": true,
        "nginx_config": {"wsgi_worker_threads_count": 2, "start_timeout": 20},
        "uwsgi_config": {"lazy-apps": value},
    }))
}

/// Kills the worker that serves the next request.
fn kill_a_serving_worker(running: &Running) {
    let pid: i32 = running.get_ok("/pid").text().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn code_that_became_worse_ends_no_service() {
    let service = lazy(Service::new(), &json!(true));
    let mut running = Launcher::new(&service).start_ready();
    service.write("src/main.py", "import nothing_of_this_name\n");
    let reload = running.run_command(&["reload"]);
    assert_eq!(reload.exit.code, Some(75), "{:?}", reload.exit);
    let told: String = reload
        .log
        .lines()
        .iter()
        .map(|line| line.text.clone())
        .collect();
    assert!(told.contains("lazy-apps"), "{told}");
    running
        .log
        .wait_for("what a rollback means with lazy-apps", |line| {
            line.str("level") == "warn" && line.message().contains("lazy-apps")
        });
    // One process after the other is lost.
    let before = running.log.count("need-app");
    for lost in 1..=2 {
        kill_a_serving_worker(&running);
        until(
            Duration::from_secs(10),
            "a process that cannot import",
            || (running.log.count("tried again") >= lost).then_some(()),
        );
    }
    running.assert_runs();
    // It heals itself with the code.
    service.write_version("2");
    let answer = running.wait_ok("/version", Duration::from_secs(20));
    assert_eq!(answer.text(), "2");
    assert_eq!(running.log.count("need-app"), before, "uWSGI gives up");
}

/// uWSGI before 2.0.26 ends with 0 or 22 by chance where a worker lets it fail; the log tells which way was taken.
#[test]
fn a_start_with_code_that_cannot_be_imported_is_given_up() {
    let service = lazy(Service::new(), &json!(true)).main_py("import nothing_of_this_name\n");
    let mut running = Launcher::new(&service).start();
    let exit = running.wait_exit(Duration::from_secs(15));
    assert_eq!(exit.code, Some(22), "{}", running.log.tail(5));
    let of_the_first = "failed loading app";
    let log = running.log.lines();
    let first = log
        .iter()
        .find(|line| line.text.contains(of_the_first) || line.text.contains("no app loaded"));
    assert!(
        first.is_some_and(|line| line.text.contains(of_the_first)),
        "{}",
        running.log.tail(20)
    );
}

#[test]
fn lines_of_the_application_carry_the_id_of_their_request() {
    for value in [json!(true), json!("no")] {
        let service = lazy(Service::new(), &value);
        let mut running = Launcher::new(&service).start_ready();
        running.get_ok("/tell/7");
        let line = running
            .log
            .wait_for("the line", |line| line.message() == "out 7");
        assert_ne!(line.str("request_id"), "", "{line:?}");
        running.stop(Duration::from_secs(10));
    }
}
