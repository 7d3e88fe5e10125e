//! Log records of all sources: complete, exactly once, in order.

use std::time::Duration;

use serde_json::Value;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::parallel;
use crate::log::{Line, Stream};
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

fn say(running: &Running, to: &str, text: &str) {
    running.send_ok(&Request::post(format!("/say?to={to}"), text).header("Connection", "close"));
}

#[test]
fn the_applications_streams_have_different_sources() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    say(&running, "stdout", "to standard output");
    say(&running, "stderr", "to standard error");
    let out = running
        .log
        .wait_for("stdout", |line| line.message() == "to standard output");
    let err = running
        .log
        .wait_for("stderr", |line| line.message() == "to standard error");
    assert_eq!(
        (out.str("source"), err.str("source")),
        ("app.stdout", "app.stderr")
    );
}

#[test]
fn output_that_bypasses_python_neither_forges_nor_hides_a_record() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let forged = "\u{1e}forged-id;999;forged";
    for to in ["stdout", "stderr"] {
        let text = format!("{forged}\nno end of line {to} {forged}");
        let id = format!("raw.{to}");
        running.send_ok(
            &Request::post(format!("/say-raw?to={to}"), text)
                .header("X-Request-ID", id.as_str())
                .header("Connection", "close"),
        );
        let after = running.log.wait_for("the print after it", |line| {
            line.message() == "after it" && line.str("request_id") == id
        });
        assert!(after.json["pid"].is_number(), "{after:?}");
        let raw = running.log.wait_for("the line without end", |line| {
            line.message() == format!("no end of line {to} {forged}")
        });
        assert!(raw.json["pid"].is_null(), "{raw:?}");
        assert_eq!(raw.str("source"), format!("app.{to}"));
    }
    assert!(
        running
            .log
            .filter(|line| line.str("request_id") == "forged-id")
            .is_empty()
    );
}

#[test]
fn messages_of_uwsgi_about_a_worker_have_source_uwsgi() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    // The worker dies, so the response is not checked here.
    let _ = running.send(&Request::post("/segv", "").header("Connection", "close"));
    let crash = running.log.wait_for("the crash", |line| {
        line.message().contains("got Segmentation Fault")
    });
    assert_eq!(
        (crash.str("source"), crash.str("level")),
        ("uwsgi", "error")
    );
    assert!(crash.json["pid"].is_number(), "{crash:?}");
    assert!(
        crash.message().contains("*** backtrace of ")
            && crash.message().ends_with("*** end of backtrace ***"),
        "{crash:?}"
    );
    running.stop(Duration::from_secs(15));
    for form in ["Gracefully killing worker", "The work of process"] {
        for line in running.log.filter(|line| line.message().contains(form)) {
            assert_eq!(line.str("source"), "uwsgi", "{line:?}");
        }
    }
}

#[test]
fn every_line_is_a_record() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    running.get_ok("/print/3");
    // The request fails on purpose; only its record matters.
    let _ = running.get("/boom");
    running.stop(Duration::from_secs(15));
    let lines = running.log.filter(|line| line.stream == Stream::Stdout);
    let sources = [
        "launcher",
        "nginx.access",
        "nginx.error",
        "uwsgi",
        "app.stdout",
        "app.stderr",
    ];
    for line in &lines {
        let ts = line.str("ts");
        // 2026-11-23T22:28:01.123456Z
        assert!(
            ts.len() == 27 && ts.ends_with('Z') && &ts[10..11] == "T",
            "{line:?}"
        );
        assert!(!line.str("level").is_empty(), "{line:?}");
        assert!(sources.contains(&line.str("source")), "{line:?}");
        assert!(line.json["message"].is_string(), "{line:?}");
    }
    let times: Vec<_> = lines
        .iter()
        .filter(|line| line.is_from("launcher"))
        .map(|line| line.str("ts"))
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(
        times.len() >= 2,
        "the launcher says neither that it started nor that it stopped"
    );
}

#[test]
fn a_request_is_an_access_record() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let request = Request::get("/delay/0.2?secret=rum")
        .header("X-Request-ID", "access-record.1")
        .header("User-Agent", "sailor/1.0 \"quoted\" \u{e9}")
        .header("Connection", "close");
    let answer = running.send_ok(&request);
    let line = running.log.wait_for("the access record", |line| {
        line.str("request_id") == "access-record.1"
    });
    assert_eq!(line.str("source"), "nginx.access");
    assert_eq!(line.str("method"), "GET");
    assert_eq!(line.str("path").split('?').next(), Some("/delay/0.2"));
    assert_eq!(line.json["status"], 200);
    assert_eq!(line.str("remote_addr"), "127.0.0.1");
    assert_eq!(line.str("user_agent"), "sailor/1.0 \"quoted\" \u{e9}");
    for key in ["duration_ms", "upstream_ms"] {
        let ms = line.json[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key} is no number: {line:?}"));
        assert!((200.0..20_000.0).contains(&ms), "{key}: {line:?}");
    }
    assert!(
        line.json["bytes"].as_u64().unwrap() >= answer.body.len() as u64,
        "{line:?}"
    );
    assert!(line.message().contains("/delay/0.2"), "{line:?}");
}

#[test]
fn requests_that_never_reach_the_application_are_logged_too() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let missing = Request::get("/no-such-page")
        .header("X-Request-ID", "missing.1")
        .header("Connection", "close");
    assert_eq!(running.send(&missing).unwrap().status, 404);
    let line = running
        .log
        .wait_for("404", |line| line.str("request_id") == "missing.1");
    assert_eq!(line.json["status"], 404);
    let long = format!("/{}", "x".repeat(20_000));
    let answer = running.send(&Request::get(long)).unwrap();
    running
        .log
        .wait_for("414", |line| line.json["status"] == answer.status);
}

#[test]
fn a_traceback_names_the_exception() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let answer = running.get("/boom").unwrap();
    assert_eq!(answer.status, 500);
    let is_traceback = |line: &Line| {
        line.text
            .contains("ValueError: the probe was asked to fail")
    };
    let line = running.log.wait_for("the traceback", is_traceback);
    assert_eq!(
        (line.str("source"), line.str("level")),
        ("app.stderr", "error")
    );
    assert!(line.text.contains("Traceback (most recent call last)"));
    assert_eq!(Some(line.str("request_id")), answer.header("X-Request-ID"));
    assert_eq!(
        running.log.count("ValueError: the probe was asked to fail"),
        1
    );
}

#[test]
fn no_line_is_lost_split_or_interleaved() {
    const CLIENTS: usize = 8;
    const LINES: usize = 300;
    let mut running = Launcher::new(&Service::with_slots(4)).start_ready();
    parallel(CLIENTS, |_| running.get_ok(&format!("/print/{LINES}")));
    // Output just before the end is included.
    running.stop(Duration::from_secs(15));
    for number in [0, 1, LINES / 2, LINES - 1] {
        let text = format!("printed {number}");
        let found = running
            .log
            .filter(|line| line.is_from("app.stdout") && line.message() == text);
        assert_eq!(found.len(), CLIENTS, "{text}");
    }
    let all = running.log.filter(|line| line.is_from("app.stdout"));
    assert_eq!(all.len(), CLIENTS * LINES);
}

#[test]
fn lines_cannot_be_forged() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let forged = r#"{"ts":"2020-01-01T00:00:00.000000Z","level":"error","source":"launcher","message":"forged"}"#;
    say(
        &running,
        "stdout",
        &format!("line\r{forged}\u{1b}[31m\u{0}end"),
    );
    let path = Request::get("/%0a%7b%22source%22:%22launcher%22%7d\u{fffd}")
        .header("X-Request-ID", "forge.1");
    // nginx may reject it; only its record matters.
    let _ = running.send(&path);
    running.log.wait_for("the access record", |line| {
        line.str("request_id") == "forge.1"
    });
    running
        .log
        .wait_for("the printed line", |line| line.text.contains("forged"));
    let launcher = running.log.filter(|line| line.is_from("launcher"));
    assert!(
        launcher
            .iter()
            .all(|line| !line.message().contains("forged")),
        "{launcher:?}"
    );
    let raw = running
        .log
        .filter(|line| line.text.chars().any(|c| c.is_control() && c != '\t'));
    assert!(raw.is_empty(), "{raw:?}");
    let broken = running
        .log
        .filter(|line| line.stream == Stream::Stdout && line.json == Value::Null);
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn the_text_format_is_readable() {
    let running = Launcher::new(&Service::with_slots(2))
        .text_log()
        .start_ready();
    running.get_ok("/print/1");
    let print = running
        .log
        .wait_for("the print", |line| line.text.contains("printed 0"));
    let access = running.log.wait_for("the access line", |line| {
        line.text.contains("GET /print/1 200")
    });
    assert_eq!(print.json, Value::Null);
    // 22:28:01.123 nginx    GET /report 200 3ms id=6fb0d1d4
    let words: Vec<_> = access.text.split_whitespace().collect();
    assert_eq!(words[0].len(), 12, "{words:?}");
    assert_eq!(words[1..5], ["nginx", "GET", "/print/1", "200"]);
    assert!(words[5].ends_with("ms"), "{words:?}");
    assert!(access.text.len() <= 80 && words.len() == 7, "{words:?}");
    assert!(print.text.contains(words[6]), "{print:?} {access:?}");
    assert_eq!(access.stream, Stream::Stdout);
    // 2026-11-23 (UTC)
    let lines = running.log.filter(|line| line.stream == Stream::Stdout);
    let dates = lines.iter().filter(|line| line.text.ends_with(" (UTC)"));
    assert!((1..=2).contains(&dates.count()), "{lines:?}");
    assert!(
        lines[0].text.starts_with("20") && lines[0].text.len() == 16,
        "{lines:?}"
    );
}

#[test]
fn lines_of_a_dying_worker_are_logged() {
    let service = Service::with_slots(2);
    let running = Launcher::new(&service).start_ready();
    say(&running, "stdout", "last words");
    for worker in running.uwsgi_workers() {
        worker.signal(nix::sys::signal::Signal::SIGKILL);
    }
    running
        .log
        .wait_for("last words", |line| line.message() == "last words");
    until(Duration::from_secs(10), "it serves again", || {
        running.get("/print/1").ok().filter(|a| a.status == 200)
    });
    running
        .log
        .wait_for("new words", |line| line.message() == "printed 0");
}
