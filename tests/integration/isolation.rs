//! No request sees another's: what outlives a request keeps its own headers, and finds its body gone.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::{background, parallel};
use crate::running::Running;
use crate::service::{Service, one_process, two_threads};
use crate::wait::until;

const OUTLIVING_APP: &str = include_str!("outliving.py");

fn service(section: &Value) -> Service {
    let slots = format!("SLOTS = {}", section["wsgi_worker_threads_count"]);
    Service::empty()
        .main_py(&OUTLIVING_APP.replace("SLOTS = 1", &slots))
        .nginx_config(section)
}

fn post(path: &str, user: &str) -> Request {
    Request::post(format!("{path}?q={user}"), format!("body of {user}"))
        .header("X-User", user)
        .header("Cookie", format!("session={user}"))
        .header("Connection", "close")
}

/// Lets threads of the first user's requests look at them while the second user's requests are under way: what they
/// found, and what the second user got.
fn first_and_second_user(section: &Value) -> Vec<Value> {
    let slots = usize::try_from(section["wsgi_worker_threads_count"].as_u64().unwrap()).unwrap();
    let running = Launcher::new(&service(section)).start_ready();
    let all = |path: &str, user: &str| {
        parallel(slots, |_| running.send_ok(&post(path, user)))
            .into_iter()
            .map(|answer| answer.text())
            .collect::<Vec<_>>()
    };
    all("/first", "alice");
    let seconds = all("/second", "bob-with-a-longer-name");
    seconds
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect()
}

#[track_caller]
fn check(section: &Value) {
    for second in first_and_second_user(section) {
        assert_eq!(second["body"], "body of bob-with-a-longer-name", "{second}");
        assert_eq!(second["leaked"], Value::Null, "{second}");
        let found = second["found"].as_array().unwrap();
        assert_eq!(
            json!(found.len()),
            section["wsgi_worker_threads_count"],
            "{second}"
        );
        for late in found {
            for (key, own) in [
                ("user", json!("alice")),
                ("cookie", json!("alice")),
                ("query", json!("alice")),
                ("environ", json!(["alice", "q=alice", "13"])),
                ("own", json!("alice")),
            ] {
                assert_eq!(late[key], own, "{key} of {late}");
            }
            for read in [
                "read",
                "read(3)",
                "readline",
                "readlines",
                "iteration",
                "stream",
            ] {
                let got = late[read].as_str().unwrap();
                assert!(got.starts_with("RuntimeError: "), "{read}: {got}");
            }
        }
    }
}

#[test]
fn a_late_thread_sees_its_own_request_with_a_process() {
    check(&one_process());
}

#[test]
fn a_late_thread_sees_its_own_request_with_threads() {
    check(&two_threads());
}

#[test]
fn a_late_thread_sees_its_own_request_without_a_timeout() {
    let mut section = one_process();
    section["request_timeout"] = json!(0);
    check(&section);
}

/// `/keep` keeps write() of its request, `/use` calls it.
#[track_caller]
fn check_write(running: &Running, slots: usize) {
    for _ in 0..slots * 3 {
        assert_eq!(running.get_ok("/keep").text(), "kept");
    }
    let used = running.get_ok("/use");
    assert_eq!(used.header("X-Intruder"), None, "{:?}", used.headers);
    let text = used.text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("mine"), "{text}");
    let refused: Vec<_> = lines.collect();
    assert_eq!(refused.len(), slots * 3 * 2, "{text}");
    for line in refused {
        assert!(line.starts_with("RuntimeError: "), "{text}");
    }
}

#[test]
fn write_of_an_earlier_request_is_refused() {
    for (section, slots) in [(one_process(), 1), (two_threads(), 2)] {
        let running = Launcher::new(&service(&section)).start_ready();
        check_write(&running, slots);
    }
}

#[test]
fn write_of_an_earlier_request_is_refused_without_a_timeout() {
    let mut section = one_process();
    section["request_timeout"] = json!(0);
    let running = Launcher::new(&service(&section)).start_ready();
    check_write(&running, 1);
}

#[test]
fn write_of_a_request_in_another_thread_does_not_reach_this_one() {
    let running = Launcher::new(&service(&two_threads())).start_ready();
    let request = Request::get("/hold").header("Connection", "close");
    let other = background(running.address, request);
    until(Duration::from_secs(10), "the other thread holds", || {
        (running.get_ok("/held").text() == "1").then_some(())
    });
    // The other thread's own response it may reach, this one never.
    let reached = running.get_ok("/reach");
    assert_eq!(reached.header("X-Intruder"), None, "{}", reached.text());
    let text = reached.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "mine"), "{text}");
    for line in &lines[1..] {
        assert!(
            *line == "None" || line.starts_with("RuntimeError: "),
            "{text}"
        );
    }
    let text = other.join().unwrap().unwrap().text();
    assert!(text.ends_with("held"), "{text}");
}
