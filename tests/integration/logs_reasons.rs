//! Why the product itself has answered: `reason` in access records.

use std::fs;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Request, TIMEOUT};
use crate::launcher::Launcher;
use crate::load::{background, parallel};
use crate::log::Line;
use crate::running::Running;
use crate::service::{PROBE_APP, Service, one_process, two_threads};

fn get(path: &str) -> Request {
    Request::get(path).header("Connection", "close")
}

/// The status and the reason of each access record with this status, when all have been written.
fn reasons(running: &mut Running, status: u16) -> Vec<String> {
    running.stop(Duration::from_secs(15));
    let records = running
        .log
        .filter(|line| line.is_from("nginx.access") && line.json["status"] == status);
    let reasons = records.iter().map(|line| line.str("reason").to_owned());
    reasons.collect()
}

#[test]
fn a_full_queue() {
    let section = json!({"wsgi_worker_threads_count": 1, "queue_size": 1});
    let service = Service::new().nginx_config(&section);
    let mut running = Launcher::new(&service).start_ready();
    let slow = background(running.address, get("/until/go?note=slow"));
    service.wait_for_notes("slow", 1);
    let first_shed = Once::new();
    let quick = parallel(4, |_| {
        let status = running.send(&get("/version")).unwrap().status;
        if status == 503 {
            // It lets the one that waits go on.
            first_shed.call_once(|| service.write("state/go", ""));
        }
        status
    });
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
    let shed = quick.iter().filter(|status| **status == 503).count();
    assert!(shed >= 1, "{quick:?}");
    assert_eq!(reasons(&mut running, 503), vec!["queue_full"; shed]);
}

#[test]
fn a_wait_beyond_queue_timeout() {
    let section = json!({"wsgi_worker_threads_count": 1, "queue_timeout": "300ms"});
    let service = Service::new().nginx_config(&section);
    let mut running = Launcher::new(&service).start_ready();
    let first = background(running.address, get("/delay/1.5?note=first"));
    service.wait_for_notes("first", 1);
    assert_eq!(running.send(&get("/version")).unwrap().status, 503);
    assert_eq!(first.join().unwrap().unwrap().status, 200);
    assert_eq!(reasons(&mut running, 503), ["queue_timeout"]);
}

#[test]
fn a_timeout_in_python_and_one_in_c() {
    for section in [one_process(), two_threads()] {
        let mut section = section;
        section["request_timeout"] = json!(1);
        let service = Service::new().nginx_config(&section);
        let mut running = Launcher::new(&service).start_ready();
        for path in ["/naps", "/c-hang"] {
            assert_eq!(running.send(&get(path)).unwrap().status, 504, "{path}");
        }
        let expected = ["request_timeout", "request_timeout"];
        assert_eq!(reasons(&mut running, 504), expected, "{section}");
    }
}

#[test]
fn a_worker_that_dies() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    // Not repeated because of its method, and repeated in vain.
    let post = Request::post("/exit", "").header("Connection", "close");
    for request in [post, get("/exit"), get("/segv")] {
        assert_eq!(running.send(&request).unwrap().status, 502);
    }
    assert_eq!(reasons(&mut running, 502), ["worker_died"; 3]);
}

#[test]
fn a_repeated_request_that_succeeds_has_no_reason() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    assert_eq!(running.get_ok("/die-once/first").text(), "second try");
    assert_eq!(reasons(&mut running, 200), [""]);
}

/// nginx's access log does not tell a socket that is gone from a full queue; its error log does.
#[test]
fn an_application_that_cannot_be_reached() {
    let mut running = Launcher::new(&Service::with_slots(1)).start_ready();
    fs::remove_file(running.runtime().join("app.sock")).unwrap();
    assert_eq!(running.send(&get("/")).unwrap().status, 503);
    assert_eq!(reasons(&mut running, 503), ["queue_full"]);
    let told =
        |line: &&Line| line.is_from("nginx.error") && line.message().contains("No such file");
    assert!(running.log.lines().iter().any(|line| told(&line)));
}

#[test]
fn an_answer_of_the_application_has_none() {
    let app = format!(
        "{PROBE_APP}\n\n@app.route('/status/<int:status>')\ndef status(status):\n    return 'mine', status\n"
    );
    let service = Service::with_slots(1).main_py(&app);
    let mut running = Launcher::new(&service).start_ready();
    for status in [500, 502, 503, 504] {
        let answer = running.send(&get(&format!("/status/{status}"))).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (status, "mine"));
    }
    running.stop(Duration::from_secs(15));
    let records = running.log.filter(|line| line.is_from("nginx.access"));
    assert_eq!(records.len(), 4, "{records:#?}");
    for record in records {
        assert_eq!(record.json.get("reason"), None, "{}", record.text);
    }
}

/// Clients that do not read responses which no buffer of nginx takes whole.
#[track_caller]
fn slow_clients_are_timed_out(mut section: Value) {
    section["request_timeout"] = json!(1);
    let slots = section["wsgi_worker_threads_count"].as_u64().unwrap();
    let unspooled = "proxy_max_temp_file_size 0;\nuwsgi_max_temp_file_size 0;\n";
    let service = Service::new()
        .nginx_config(&section)
        .file("nginx/server.d/a.conf", unspooled);
    let mut running = Launcher::new(&service).start_ready();
    let deadline = Instant::now() + TIMEOUT * 2;
    let mut clients: Vec<_> = (0..slots)
        .map(|number| {
            let mut connection = running.connect();
            let request = get("/big/40000000?secret=rum");
            let head = request.header("X-Request-ID", format!("slow.{number}"));
            connection.write(head.head().as_bytes(), deadline).unwrap();
            connection
        })
        .collect();
    let is_told = |line: &Line, number: u64| {
        line.message().contains("timed out")
            && line.str("request_id") == format!("slow.{number}")
            && !line.is_from("nginx.access")
            && !line.is_from("nginx.error")
    };
    for number in 0..slots {
        let what = format!("a record of the timeout of {number}");
        let record = running.log.wait_for(&what, |line| is_told(line, number));
        let text = &record.text;
        assert_eq!(record.str("level"), "error", "{text}");
        for word in ["GET", "/big/40000000"] {
            assert!(record.message().contains(word), "no {word}: {text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }
    // All slots were taken: one of them is free again.
    running.wait_ok("/version", Duration::from_secs(15));
    for client in &mut clients {
        let cut = client.read_response("GET", deadline);
        assert!(cut.is_err(), "{:?}", cut.map(|answer| answer.body.len()));
    }
    running.stop(Duration::from_secs(20));
    for number in 0..slots {
        let records = running.log.filter(|line| is_told(line, number));
        assert_eq!(records.len(), 1, "{records:#?}");
    }
}

#[test]
fn a_timeout_while_a_process_writes_to_a_slow_client_is_told() {
    slow_clients_are_timed_out(one_process());
}

#[test]
fn timeouts_while_threads_write_to_slow_clients_are_told() {
    slow_clients_are_timed_out(two_threads());
}
