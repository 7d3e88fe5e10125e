//! `--log-level`: which records are written, and what a normal run says.

use std::time::Duration;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::log::{Line, Stream};
use crate::service::Service;

/// The records of a run with an error, a warning, a print and a request, but for the records of requests.
fn records(words: &[&str]) -> Vec<Line> {
    let service = Service::with_slots(2);
    let mut running = Launcher::new(&service).after(words).start_ready();
    let say = |to: &str, text: &str| {
        let path = format!("/say?to={to}");
        running.send_ok(&Request::post(path, text).header("Connection", "close"));
    };
    say("stdout", "printed");
    say("stderr", "WARNING:root:careful");
    say("stderr", "ERROR:root:broken");
    // Requests have records whatever the level is.
    let posts = |line: &Line| line.is_from("nginx.access") && line.str("level") == "info";
    running.log.wait_for("a request", posts);
    running.log.wait_for_text("ERROR:root:broken");
    let status = running.status();
    assert_eq!(status["log"]["dropped"], 0, "{status}");
    let errors = status["last_errors"].to_string();
    assert!(errors.contains("ERROR:root:broken"), "{errors}");
    running.stop(Duration::from_secs(15));
    running
        .log
        .filter(|line| line.stream == Stream::Stdout && !line.is_from("nginx.access"))
}

#[test]
fn only_records_of_the_level_and_above_are_written() {
    let errors = records(&["--log-level", "error"]);
    let texts: Vec<_> = errors.iter().map(Line::message).collect();
    assert_eq!(texts, ["ERROR:root:broken"]);

    let everything = records(&["--log-level", "debug"]);
    for text in [
        "*** Starting uWSGI ",
        "spawned uWSGI worker 2",
        "goodbye to uWSGI.",
    ] {
        let lines = everything
            .iter()
            .filter(|line| line.message().starts_with(text));
        let levels: Vec<_> = lines.map(|line| line.str("level")).collect();
        assert_eq!(levels, ["debug"], "{text}");
    }
}

#[test]
fn a_run_that_goes_well_says_little() {
    let lines = records(&[]);
    let of = |source: &str| -> Vec<&str> {
        let lines = lines.iter().filter(|line| line.is_from(source));
        lines.map(Line::message).collect()
    };
    assert_eq!(of("uwsgi"), [""; 0]);
    assert_eq!(of("nginx.error"), [""; 0]);
    assert_eq!(of("app.stdout"), ["printed"]);
    assert_eq!(
        of("app.stderr"),
        ["WARNING:root:careful", "ERROR:root:broken"]
    );
    // Started and ready, each child and the service; the stop and its end.
    let launcher = of("launcher");
    assert!((8..=12).contains(&launcher.len()), "{launcher:#?}");
}
