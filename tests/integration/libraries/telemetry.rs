//! prometheus_client, OpenTelemetry and Sentry: what they have counted and collected arrives, also that of workers which
//! have ended.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::life::{Trial, as_numbers, assert_arrived};
use super::servers::Server;
use crate::http::Request;
use crate::service::world_accessible_folder;
use crate::wait::until;

#[test]
fn prometheus_sums_up_all_workers_that_have_been() {
    let folder = world_accessible_folder("prometheus-");
    // The workers write as another user.
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), writable).unwrap();
    let path = folder.path().display().to_string();
    let service = Trial::new("prometheus").env("PROMETHEUS_MULTIPROC_DIR", path);
    let mut life = service.start();
    life.live();
    let metrics = life.running.get_ok("/metrics").text();
    let counted = metrics
        .lines()
        .find_map(|line| line.strip_prefix("orders_total "))
        .unwrap_or_else(|| panic!("{metrics}"));
    // Each request has counted itself; one was in the worker that was killed.
    let answered = life.traffic.answers.len();
    let right = [answered, answered + 1].map(|sum| format!("{sum}.0"));
    assert!(
        right.iter().any(|sum| sum == counted),
        "{counted} of {right:?}"
    );
    // A worker that has ended by itself is not "live" any more.
    let said: BTreeSet<i64> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("served_by{")?.split('"').nth(1))
        .map(|worker| worker.parse().unwrap())
        .collect();
    let workers = life.workers();
    let mut right: BTreeSet<i64> = workers.iter().map(|worker| worker.pid.into()).collect();
    right.insert(life.killed);
    assert!(said.is_subset(&right), "{said:?} of {right:?}");
    life.stop();
    life.assert_quiet(&[]);
}

/// The exporter's thread is started again in each worker, by OpenTelemetry itself. Its sampler is the default one, which
/// follows the flags of the traceparent.
#[test]
fn opentelemetry_loses_no_span_and_its_traces_are_those_of_the_log() {
    let collector = Server::upstream("opentelemetry");
    let url = format!("http://127.0.0.1:{}", collector.port);
    let service = Trial::new("opentelemetry").env("OTEL_EXPORTER_OTLP_ENDPOINT", url);
    let mut life = service.start();
    life.live();
    let (number, trace, parent) = (
        1_000_000,
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00f067aa0ba902b7",
    );
    let named = Request::get(format!("/check?number={number}"))
        .header("traceparent", format!("00-{trace}-{parent}-01"))
        .header("Connection", "close");
    life.running.send_ok(&named);
    let last = life.numbers().last().copied();
    until(Duration::from_secs(20), "a batch from a worker", || {
        as_numbers(&collector.received("spans"))
            .any(|number| Some(number) == last)
            .then_some(())
    });
    life.stop();
    let spans = collector.received("spans");
    assert_arrived(&life.numbers(), as_numbers(&spans));
    life.assert_quiet(&[]);
    let logged = life.running.log.filter(|line| line.is_from("nginx.access"));
    let logged: BTreeSet<_> = logged.iter().map(|line| line.str("trace_id")).collect();
    let traces = collector.received("traces");
    assert!(
        traces.contains(&json!([number, trace, parent])),
        "{traces:?}"
    );
    for span in traces {
        assert!(logged.contains(span[1].as_str().unwrap()), "{span}");
        let is_named = span[0] == number;
        assert_eq!(span[2], if is_named { parent } else { "0000000000000001" });
    }
}

#[test]
fn sentry_loses_no_event() {
    let collector = Server::upstream("sentry");
    let dsn = format!("http://key@127.0.0.1:{}/1", collector.port);
    let mut life = Trial::new("sentry").env("SENTRY_DSN", dsn).start();
    life.live();
    assert_eq!(life.running.get("/fail").unwrap().status, 500);
    life.stop();
    life.assert_quiet(&["the rum is gone", "GET /fail 500"]);
    let events = collector.received("events");
    assert_arrived(&life.numbers(), as_numbers(&events));
    let failures = events.iter().filter(|event| *event == "the rum is gone");
    assert_eq!(failures.count(), 1, "{events:?}");
}
