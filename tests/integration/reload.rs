//! Answers to a request for a reload, and failed reloads whose effect is not visible to clients.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::launcher::Launcher;
use crate::load::background;
use crate::running::Running;
use crate::service::{Service, importing_until_go};
use crate::wait::until;

#[test]
fn an_nginx_test_that_hangs_is_killed() {
    let service = Service::with_slots(2);
    let running = Launcher::new(&service).start_ready();
    let fifo = service.root().join("never.conf");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let include = format!("include {};\n", fifo.display());
    service.write("nginx/server.d/a.conf", &include);
    running
        .run_command(&["reload"])
        .assert_code(78)
        .assert_says("nginx -t did not end within 30 s");
    let waits = "The reload waits: nginx -t tests the new configuration.";
    assert!(running.log.contains(waits), "{}", running.log.tail(20));
    std::fs::remove_file(service.root().join("nginx/server.d/a.conf")).unwrap();
    service.write_version("2");
    running.run_command(&["reload"]).assert_code(0);
    assert_eq!(running.get_ok("/version").text(), "2");
}

#[test]
fn a_reload_says_for_what_it_waits() {
    let service = Service::with_slots(2).with_prelude(&importing_until_go());
    service.write("state/go", "");
    let running = Launcher::new(&service).start_ready();
    let request = |method: &'static str, path: &str| {
        let request = Request::new(method, path).header("Connection", "close");
        request.timeout(Duration::from_secs(60))
    };
    let slow = background(running.address, request("GET", "/until/enough?note=held"));
    service.wait_for_notes("held", 1);

    std::fs::remove_file(service.root().join("state/go")).unwrap();
    let socket = running.control_socket();
    let reload = background(socket.as_path(), request("POST", "/reload"));
    let import =
        "The reload waits: the application is still being imported (uwsgi of the new generation).";
    running.log.wait_for_text(import);
    assert!(!running.log.contains("Not ready yet."));
    service.write("state/go", "");
    let answer = reload.join().unwrap().unwrap();
    assert_answer(&answer, "committed", 0, "reloaded: generation 2 serves");

    let left = running.log.wait_for("what is left", |line| {
        line.message()
            .starts_with("The old generation finishes: GET /until/enough (")
    });
    assert!(left.json["seconds"].as_u64() >= Some(5), "{left:?}");
    service.write("state/enough", "");
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
}

#[test]
fn the_mode_of_the_command_line_applies_to_reloads() {
    let config = json!({"use_nginx": false, "nginx_config": {"wsgi_worker_threads_count": 2}});
    let service = Service::new().config(&config);
    let running = Launcher::new(&service).start_ready();
    service.write_version("2");
    running.run_command(&["reload"]).assert_code(0);
    assert_eq!(running.get_ok("/version").text(), "2");
}

/// POST /reload on the control socket.
fn post(running: &Running) -> Response {
    let reload = Request::new("POST", "/reload").header("Connection", "close");
    let socket = running.control_socket();
    until(Duration::from_secs(10), "the launcher answers", || {
        reload.send(socket.as_path()).ok()
    })
}

#[track_caller]
fn assert_answer(response: &Response, outcome: &str, code: u8, text: &str) {
    let body = response.text();
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer.as_object().unwrap().len(), 3, "{body}");
    assert_eq!(answer["outcome"], outcome, "{body}");
    assert_eq!(answer["code"], code, "{body}");
    assert!(answer["text"].as_str().unwrap().contains(text), "{body}");
}

#[test]
fn the_answer_says_what_became_of_the_reload() {
    let service = Service::with_slots(2).with_prelude(&importing_until_go());
    let mut running = Launcher::new(&service).start();
    let refused = "reload refused: the service is still starting";
    assert_answer(&post(&running), "refused", 75, refused);

    service.write("state/go", "");
    running.wait_ready();
    let committed = "reloaded: generation 2 serves";
    assert_answer(&post(&running), "committed", 0, committed);

    service.write("src/main.py", "import no_such_module\n");
    assert_answer(&post(&running), "rolled_back", 75, "no_such_module");

    service.write("config/config.json", "{");
    assert_answer(&post(&running), "invalid", 78, "config.json");
    running.get_ok("/");
    running.stop(Duration::from_secs(15));
}

#[test]
fn nothing_of_an_old_generation_is_left() {
    let service = Service::with_slots(2);
    let running = Launcher::new(&service).start_ready();
    for version in ["2", "3"] {
        service.write_version(version);
        running.run_command(&["reload"]).assert_code(0);
    }
    // nginx is still the first generation's.
    until(Duration::from_secs(15), "only what serves", || {
        let exists = |path: &str| running.runtime().join(path).exists();
        let gone = !exists("2") && !exists("1/uwsgi") && !exists("1/leaving");
        (gone && exists("1/nginx") && exists("3/uwsgi")).then_some(())
    });
}
