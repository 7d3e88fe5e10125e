//! Health, status and metrics: they must be available also while the service is not.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::connection::Connection;
use crate::http::{Request, Target, get};
use crate::launcher::Launcher;
use crate::load::background;
use crate::service::{Service, importing_until_go};
use crate::wait::until;

#[test]
fn probes_are_answered() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    assert_eq!(running.ask_admin("/livez").unwrap().status, 200);
    assert_eq!(running.ask_admin("/readyz").unwrap().status, 200);
    assert_eq!(running.ask_admin("/no-such-page").unwrap().status, 404);
    let page = running.ask_admin("/").unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("is well: ready for"),
        "{}",
        page.text()
    );
    let head = Request::new("HEAD", "/readyz")
        .header("Connection", "close")
        .send(running.admin.unwrap())
        .unwrap();
    assert_eq!(head.status, 200);
}

#[test]
fn probes_are_answered_while_every_worker_hangs() {
    for service in [Service::with_slots(2), Service::with_threads(2)] {
        let running = Launcher::new(&service).start_ready();
        let hang = Request::get("/hang?note=hung").timeout(Duration::from_secs(15));
        let _hung: Vec<_> = (0..5)
            .map(|_| background(running.address, hang.clone()))
            .collect();
        service.wait_for_notes("hung", 2);
        for path in ["/livez", "/readyz", "/status", "/metrics"] {
            let answer = running.ask_admin(path).unwrap();
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert!(
                answer.took < Duration::from_secs(1),
                "{path} took {:?}",
                answer.took
            );
        }
    }
}

#[test]
fn not_ready_is_503_with_its_reason() {
    let service = Service::with_slots(2).with_prelude(&importing_until_go());
    let mut running = Launcher::new(&service).start();
    let answer = until(Duration::from_secs(10), "an answer", || {
        running.ask_admin("/readyz").ok()
    });
    assert_eq!(answer.status, 503);
    assert!(!answer.text().trim().is_empty(), "no reason is given");
    assert_eq!(running.ask_admin("/livez").unwrap().status, 200);
    running.run_command(&["status"]).assert_code(1);
    let health = running.run_command(&["healthcheck"]);
    assert!(matches!(health.exit.code, Some(1 | 2)), "{:?}", health.exit);
    service.write("state/go", "");
    running.wait_ready();
    running.run_command(&["status"]).assert_code(0);
    running.run_command(&["healthcheck"]).assert_code(0);
}

#[test]
fn the_admin_port_is_read_only() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    let master = running.uwsgi_master().pid;
    for path in [
        "/",
        "/reload",
        "/stop",
        "/restart-worker",
        "/restart-worker/1",
        "/status",
        "/workers/1/restart",
        "/workers/1/stacks",
        "/stacks",
        "/profile",
    ] {
        for method in ["POST", "PUT", "DELETE"] {
            let request = Request::new(method, path)
                .header("Connection", "close")
                .header("Content-Length", "0");
            let answer = request.send(running.admin.unwrap()).unwrap();
            assert!(
                matches!(answer.status, 403..=405),
                "{method} {path}: {}",
                answer.status
            );
        }
    }
    assert_eq!(running.uwsgi_master().pid, master);
    running.assert_runs();
}

#[test]
fn status_is_the_same_on_port_socket_and_command_line() {
    let running = Launcher::new(&Service::with_slots(3)).start_ready();
    let by_port = running.ask_admin("/status").unwrap().json();
    let by_socket = get(running.control_socket().as_path(), "/status")
        .unwrap()
        .json();
    let by_command = running.status();
    for status in [&by_port, &by_socket, &by_command] {
        let keys: Vec<_> = status.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            by_port.as_object().unwrap().keys().collect::<Vec<_>>()
        );
        let text = status.to_string();
        for pid in [running.uwsgi_master().pid, running.nginx_master().pid] {
            assert!(text.contains(&pid.to_string()), "no pid {pid} in {text}");
        }
        assert!(status["phase"].is_string(), "{text}");
    }
}

#[test]
fn each_last_error_is_one_line() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    // The request fails on purpose; only its record matters.
    let _ = running.get("/boom");
    running.log.wait_for("the traceback", |line| {
        line.message().contains("ValueError")
    });
    running
        .run_command(&["status", "--all"])
        .assert_says("Exception on /boom [GET]: ValueError: the probe was asked to fail\n")
        .assert_says("x1 app.stderr ValueError src/main.py:");
    running
        .run_command(&["status"])
        .assert_says("probe is well: ready for")
        .assert_says(" GET /boom ValueError: the probe was asked to fa");
}

#[test]
fn only_the_owner_may_open_the_control_socket() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let socket = std::fs::metadata(running.control_socket()).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
}

#[test]
fn without_a_launcher_status_is_69_and_healthcheck_is_2() {
    let service = Service::with_slots(2);
    Launcher::new(&service)
        .command(&["status"])
        .output()
        .assert_code(69);
    Launcher::new(&service)
        .command(&["status", "--json"])
        .output()
        .assert_code(69);
    Launcher::new(&service)
        .command(&["healthcheck"])
        .output()
        .assert_code(2);
}

#[test]
fn a_stale_control_socket_is_no_launcher() {
    let service = Service::with_slots(2);
    let mut running = Launcher::new(&service).start_ready();
    running.signal(Signal::SIGKILL);
    running.wait_exit(Duration::from_secs(2));
    running.assert_nothing_left(Duration::from_secs(2));
    running.run_command(&["status"]).assert_code(69);
    running.run_command(&["healthcheck"]).assert_code(2);
}

#[test]
fn a_failing_health_check_is_critical() {
    let section =
        serde_json::json!({"wsgi_worker_threads_count": 2, "health_check_path": "/health"});
    let service = Service::new().nginx_config(&section).main_py(&format!(
        "{}\n\n@app.route('/health')\ndef health():\n    return 'ok' if noted('sick') == 0 else ('sick', 500)\n",
        crate::service::PROBE_APP
    ));
    let running = Launcher::new(&service).start_ready();
    running.run_command(&["healthcheck"]).assert_code(0);
    service.write("state/sick", "x");
    running.run_command(&["healthcheck"]).assert_code(2);
}

#[test]
fn without_a_living_worker_it_is_not_ready() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let master = running.uwsgi_master();
    let workers = running.uwsgi_workers();
    // uWSGI would replace the workers at once.
    master.signal(Signal::SIGSTOP);
    for worker in &workers {
        worker.signal(Signal::SIGKILL);
    }
    let answer = until(Duration::from_secs(10), "503 on /readyz", || {
        let answer = running.ask_admin("/readyz").ok()?;
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(answer.text(), "uwsgi has no process that serves\n");
    master.signal(Signal::SIGCONT);
    until(Duration::from_secs(10), "ready again", || {
        running.is_ready().then_some(())
    });
}

#[test]
fn the_not_ready_reason_is_reported() {
    let section = serde_json::json!({"wsgi_worker_threads_count": 2, "health_check_path": "/no-such-page", "start_timeout": 12});
    let service = Service::new().nginx_config(&section);
    let mut running = Launcher::new(&service).start();
    let missing = "the health check /no-such-page answers 404";
    let told = until(Duration::from_secs(10), "the reason on /readyz", || {
        let answer = running.ask_admin("/readyz").ok()?;
        answer.text().contains(missing).then_some(answer.status)
    });
    assert_eq!(told, 503);
    // Time for the start and for the record, which comes when the reason has been the same for five seconds.
    let exit = running.wait_exit(Duration::from_secs(30));
    assert_eq!(exit.code, Some(75), "{exit:?}\n{}", running.log.tail(30));
    assert!(
        running.log.contains("Not ready yet."),
        "{}",
        running.log.tail(30)
    );
    let last = running.log.last().unwrap().text;
    assert!(
        last.contains(&format!("(start_timeout): {missing}.")),
        "{last}"
    );
}

#[test]
fn slow_and_many_clients_do_not_block_the_admin_port() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    let target = Target::from(running.admin.unwrap());
    let silent = move || {
        let mut connection = Connection::open(&target, Duration::from_secs(5)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        // The launcher may have closed it already, which is what this tests.
        let _ = connection.write(b"GET /livez HTT", deadline);
        connection
    };
    let mut connections: Vec<_> = (0..200).map(|_| silent()).collect();
    let (end, ended) = mpsc::channel::<()>();
    let clients = std::thread::spawn(move || {
        while ended.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
            for connection in &mut connections {
                if !connection.is_reusable() {
                    *connection = silent();
                }
            }
        }
    });
    // Each must be answered before the header timeout of the idle clients, which is the timeout of `ask_admin`.
    for n in 1..=10 {
        let answer = running.ask_admin("/livez");
        let status = answer.map(|answer| answer.status);
        assert!(matches!(status, Ok(200)), "probe {n}: {status:?}");
    }
    drop(end);
    clients.join().unwrap();
    running.assert_runs();
    running.get_ok("/");
}

#[test]
fn usr1_prints_the_status_to_the_log() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    let before = running.log.lines().len();
    let master = running.uwsgi_master().pid.to_string();
    running.signal(Signal::SIGUSR1);
    until(Duration::from_secs(5), "the status in the log", || {
        running.log.lines()[before..]
            .iter()
            .any(|line| line.text.contains(&master))
            .then_some(())
    });
    running.assert_runs();
}

#[test]
fn a_saturated_service_is_a_warning_within_time() {
    saturated_is_a_warning(serde_json::json!({}));
}

/// The health check is refused like any other request, which is no failure of the application.
#[test]
fn a_saturated_service_that_sheds_is_a_warning() {
    saturated_is_a_warning(serde_json::json!({"queue_timeout": "300ms"}));
    saturated_is_a_warning(serde_json::json!({"queue_size": 0}));
}

#[track_caller]
fn saturated_is_a_warning(mut section: serde_json::Value) {
    section["wsgi_worker_threads_count"] = 2.into();
    section["health_check_path"] = "/version".into();
    let service = Service::new().nginx_config(&section);
    let running = Launcher::new(&service).start_ready();
    let hang = Request::get("/hang?note=hung").timeout(Duration::from_secs(30));
    let _hung: Vec<_> = (0..2)
        .map(|_| background(running.address, hang.clone()))
        .collect();
    service.wait_for_notes("hung", 2);
    let health = running.run_command(&["healthcheck"]);
    health
        .assert_code(1)
        .assert_says("busy: all 2 processes are serving");
    assert!(
        health.exit.took < Duration::from_secs(6),
        "{:?}",
        health.exit
    );
}
