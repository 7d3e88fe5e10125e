//! N slots serve N requests at the same time: never more, never fewer.
//!
//! The application itself reports when it began and ended, by the clock that all processes share, so that these tests
//! count overlaps and do not measure times.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::parallel;
use crate::running::Running;
use crate::service::{Service, world_accessible_folder};

/// One request as the application saw it.
#[derive(Clone, Debug)]
struct Span {
    slot: (u64, u64),
    start: f64,
    end: f64,
}

fn delays(running: &Running, count: usize, seconds: f64) -> Vec<Span> {
    parallel(count, |_| {
        let body = running.get_ok(&format!("/delay/{seconds:?}")).json();
        Span {
            slot: (
                body["pid"].as_u64().unwrap(),
                body["thread"].as_u64().unwrap(),
            ),
            start: body["start"].as_f64().unwrap(),
            end: body["end"].as_f64().unwrap(),
        }
    })
}

/// The largest number of spans that overlap.
fn max_concurrent(spans: &[Span]) -> usize {
    let at = |moment: f64| {
        spans
            .iter()
            .filter(|span| span.start <= moment && moment < span.end)
            .count()
    };
    spans
        .iter()
        .map(|span| at(span.start))
        .max()
        .unwrap_or_default()
}

/// How many requests each slot has served, in descending order.
fn requests_per_slot(spans: &[Span]) -> Vec<usize> {
    let mut counts = BTreeMap::<_, usize>::new();
    for span in spans {
        *counts.entry(span.slot).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_values().collect();
    counts.sort_by_key(|count| std::cmp::Reverse(*count));
    counts
}

fn pids(spans: &[Span]) -> usize {
    spans
        .iter()
        .map(|span| span.slot.0)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Batches of 4, 4 and 3: three slots serve three requests each, the fourth two, never five at once.
#[track_caller]
fn assert_batches_of_four(spans: &[Span]) {
    assert_eq!(max_concurrent(spans), 4, "{spans:?}");
    assert_eq!(requests_per_slot(spans), [3, 3, 3, 2], "{spans:?}");
}

#[test]
fn eleven_in_four_processes_are_batches_of_4_4_3() {
    let running = Launcher::new(&Service::with_slots(4)).start_ready();
    let spans = delays(&running, 11, 1.0);
    assert_batches_of_four(&spans);
    assert_eq!(pids(&spans), 4);
}

#[test]
fn eleven_in_four_threads_are_batches_of_4_4_3() {
    let running = Launcher::new(&Service::with_threads(4)).start_ready();
    let spans = delays(&running, 11, 1.0);
    assert_batches_of_four(&spans);
    assert_eq!(pids(&spans), 1);
}

#[test]
fn two_processes_of_two_threads_are_four_slots() {
    let section = serde_json::json!({"wsgi_worker_threads_count": 4, "wsgi_processes": 2});
    let running = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    let spans = delays(&running, 11, 1.0);
    assert_batches_of_four(&spans);
    assert_eq!(pids(&spans), 2);
}

#[test]
fn the_default_serves_exactly_seventeen_at_once() {
    let running = Launcher::new(&Service::new()).start_ready();
    let spans = delays(&running, 40, 1.5);
    assert_eq!(max_concurrent(&spans), 17, "{spans:?}");
    assert_eq!(pids(&spans), 17);
}

#[test]
fn one_slot_serves_one_request_at_a_time() {
    let running = Launcher::new(&Service::with_slots(1)).start_ready();
    assert_eq!(max_concurrent(&delays(&running, 4, 0.2)), 1);
}

#[test]
fn two_hundred_parallel_drinks_are_counted_exactly() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("example-rum-counter");
    assert!(example.is_dir(), "the example service is not there");
    let scratch = world_accessible_folder("example-");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(&example)
        .arg(scratch.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let database = scratch.path().join("data");
    fs::create_dir(&database).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&database, mode).unwrap();
    let running = Launcher::for_folder(&scratch.path().join("example-rum-counter"))
        .env("MICROSERVICE_ENV", "production")
        .env("RUM_DB", database.join("rum.db").display().to_string())
        .start_ready();
    let statuses = parallel(200, |i| {
        let drink = Request::post(format!("/drink/sailor{}/{}", i % 4, i + 1), "");
        running.send_ok(&drink).status
    });
    assert_eq!(statuses.len(), 200);
    let report = running.get_ok("/report").text();
    for sailor in 0..4 {
        let drunk: usize = (0..200).filter(|i| i % 4 == sailor).map(|i| i + 1).sum();
        assert!(report.contains(&format!("sailor{sailor}")), "{report}");
        assert!(
            report.contains(&drunk.to_string()),
            "sailor{sailor} drank {drunk}: {report}"
        );
    }
}
