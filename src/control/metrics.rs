//! The status as Prometheus text (<https://prometheus.io/docs/instrumenting/exposition_formats/>). Pure.
//!
//! Few series with few labels, for alerts and scaling. All values come from one report, so they are consistent.

use std::fmt::Write as _;

use crate::status::{ChildRole, StatusReport};

/// Version 0.0.4 is the text format without OpenMetrics.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All series, each family with HELP and TYPE. No value of a label can break out of its quotes.
pub(crate) fn text(report: &StatusReport) -> String {
    let mut out = String::new();
    let name = label(&report.name);
    let version = label(&report.version);
    family(
        &mut out,
        "info",
        "gauge",
        "The service and the launcher's version.",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "microservice_flask_info{{service=\"{name}\",version=\"{version}\"}} 1"
    );
    for (metric, kind, help, value) in singles(report) {
        family(&mut out, metric, kind, help);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "microservice_flask_{metric} {value}");
    }
    family(
        &mut out,
        "child_restarts_total",
        "counter",
        "Restarts of nginx and uWSGI, the first start not counted.",
    );
    for child in report
        .children
        .iter()
        .filter(|child| child.role == ChildRole::Serving)
    {
        let (name, restarts) = (label(&child.name), child.restarts);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "microservice_flask_child_restarts_total{{child=\"{name}\"}} {restarts}"
        );
    }
    let help = "Requests that the product itself has refused with 503, or ended.";
    family(&mut out, "requests_shed_total", "counter", help);
    for (cause, count) in &report.shed {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "microservice_flask_requests_shed_total{{cause=\"{}\"}} {count}",
            label(cause)
        );
    }
    let help = "Processes of the application that have ended. Those that ended with uWSGI are in child_restarts_total.";
    family(&mut out, "worker_exits_total", "counter", help);
    for (cause, count) in &report.worker_exits {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "microservice_flask_worker_exits_total{{cause=\"{}\"}} {count}",
            label(cause)
        );
    }
    let help = "Requests that a process of the application has finished.";
    family(&mut out, "worker_requests_total", "counter", help);
    for worker in &report.workers {
        let (id, requests) = (worker.id, worker.requests);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "microservice_flask_worker_requests_total{{worker=\"{id}\"}} {requests}"
        );
    }
    out
}

/// A series without labels: name without prefix, type, help, value.
type Single = (&'static str, &'static str, &'static str, f64);

fn singles(report: &StatusReport) -> [Single; 15] {
    let busy = report
        .workers
        .iter()
        .map(|worker| worker.serving.len())
        .sum::<usize>();
    let log = &report.log;
    let clients = report.clients.unwrap_or_default();
    let ready = f64::from(u8::from(report.ready));
    [
        (
            "ready",
            "gauge",
            "1 when the service is ready for requests, else 0.",
            ready,
        ),
        (
            "uptime_seconds",
            "gauge",
            "Seconds since the launcher started.",
            report.uptime_seconds,
        ),
        (
            "generation",
            "gauge",
            "Number of the serving configuration: 1 after the start, one more after each reload.",
            report.generation.into(),
        ),
        (
            "slots",
            "gauge",
            "Requests that can be served at the same time; a process that is dead, ending or stopped serves none.",
            slots(report).into(),
        ),
        (
            "slots_busy",
            "gauge",
            "In-flight requests in the application.",
            number(busy as u64),
        ),
        (
            "requests_waiting",
            "gauge",
            "Requests that wait for a slot.",
            report.waiting.unwrap_or(0).into(),
        ),
        (
            "queue_oldest_seconds",
            "gauge",
            "How long the oldest of them has been waiting; 0 when none waits.",
            report.oldest_wait_seconds.unwrap_or(0.0),
        ),
        (
            "queue_size",
            "gauge",
            "Requests that may wait for a slot.",
            report.plan.queue.into(),
        ),
        (
            "clients_reading",
            "gauge",
            "Connections of which nginx reads the headers of a request.",
            number(clients.reading),
        ),
        (
            "clients_writing",
            "gauge",
            "Connections with a request: nginx reads its body, waits for the application, or sends the response.",
            number(clients.writing),
        ),
        (
            "clients_idle",
            "gauge",
            "Connections that are kept open without a request.",
            number(clients.idle),
        ),
        (
            "log_records_produced_total",
            "counter",
            "Log records read from nginx, uWSGI and the application, and the launcher's own.",
            number(log.produced),
        ),
        (
            "log_records_delivered_total",
            "counter",
            "Log records written to stdout.",
            number(log.delivered),
        ),
        (
            "log_records_dropped_total",
            "counter",
            "Log records lost because stdout accepted no data.",
            number(log.dropped),
        ),
        (
            "log_stalled_seconds",
            "gauge",
            "Seconds since stdout last accepted data; 0 while it does.",
            log.stalled_seconds.unwrap_or(0.0),
        ),
    ]
}

fn family(out: &mut String, metric: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# HELP microservice_flask_{metric} {help}\n# TYPE microservice_flask_{metric} {kind}"
    );
}

/// A label's value: backslash, quote and line feed are escaped.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The slots of the processes that have some.
fn slots(report: &StatusReport) -> u32 {
    let without = report
        .workers
        .iter()
        .filter(|worker| !worker.state.has_slots())
        .count();
    let lost = u32::try_from(without).map_or(u32::MAX, |without| {
        without.saturating_mul(report.plan.threads)
    });
    report.plan.slots.saturating_sub(lost)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus stores f64; counts beyond 2^53 may lose their last digits"
)]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample::report;

    #[test]
    fn every_series_has_help_and_type_and_no_label_breaks_out() {
        let text = text(&report());
        assert!(
            text.contains(
                "microservice_flask_info{service=\"a\\\"b\\\\c\\nd\",version=\"0.1.0\"} 1\n"
            ),
            "{text}"
        );
        assert!(text.contains("microservice_flask_slots_busy 1\n"), "{text}");
        assert!(
            text.contains("microservice_flask_log_records_dropped_total 2\n"),
            "{text}"
        );
        assert!(
            text.contains("microservice_flask_child_restarts_total{child=\"nginx\"} 5\n"),
            "{text}"
        );
        for line in [
            "requests_waiting 3",
            "queue_oldest_seconds 0.25",
            "clients_reading 5",
            "clients_writing 6",
            "clients_idle 7",
            "requests_shed_total{cause=\"queue_full\"} 8",
            "worker_exits_total{cause=\"crash\"} 9",
            "slots 1",
        ] {
            assert!(
                text.contains(&format!("microservice_flask_{line}\n")),
                "{text}"
            );
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        }
    }
}
