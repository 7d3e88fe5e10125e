//! The metrics of a report in which every field holds something.

use super::*;
use crate::status::sample::report;

#[test]
fn every_value_has_its_series() {
    let text = open_metrics(&report()).unwrap();
    for line in [
        "info{service=\"a\\\"b\\\\c\\nd\",version=\"0.1.0\"} 1",
        "ready 1",
        "uptime_seconds 2.5",
        "http_requests_total{method=\"GET\",status=\"200\"} 123",
        "http_requests_total{method=\"POST\",status=\"500\"} 7",
        "http_request_duration_seconds_bucket{le=\"0.005\"} 100",
        "http_request_duration_seconds_bucket{le=\"0.01\"} 120",
        "http_request_duration_seconds_bucket{le=\"+Inf\"} 130",
        "http_request_duration_seconds_sum 12.5",
        "http_request_duration_seconds_count 130",
        "queue_wait_seconds_count 130",
        "app_duration_seconds_count 130",
        "slots 1",
        "slots_busy 1",
        "requests_waiting 3",
        "queue_oldest_seconds 0.25",
        "queue_size 1024",
        "clients_reading 5",
        "clients_writing 6",
        "clients_idle 7",
        "requests_shed_total{cause=\"queue_full\"} 8",
        "request_timeouts_total 2",
        "requests_replayed_total 1",
        "answers_cut_total 3",
        "worker_exits_total{cause=\"crash\"} 9",
        "worker_requests_total{worker=\"1\"} 7",
        "worker_memory_pss_bytes{worker=\"1\"} 32505856",
        "worker_cpu_seconds_total{worker=\"1\"} 1.25",
        "child_restarts_total{child=\"nginx\"} 5",
        "reloads_total{outcome=\"rolled_back\"} 1",
        "reload_last_success 1",
        "reload_last_timestamp_seconds 1795770000.0",
        "memory_limit_bytes 1073741824",
        "memory_usage_bytes 536870912",
        "oom_kills_total 1",
        "cpu_throttled_seconds_total 0.5",
        "log_records_dropped_total 2",
        "log_stalled_seconds 1.5",
    ] {
        let line = format!("microservice_flask_{line}\n");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("process_cpu_seconds_total 1.25\n"), "{text}");
    assert!(text.contains("process_open_fds 12\n"), "{text}");
}

#[test]
fn what_is_not_known_has_no_series() {
    let mut report = report();
    report.waiting = None;
    report.clients = None;
    report.resources = crate::status::ResourceStatus::default();
    report.reloads = crate::status::ReloadsStatus::default();
    let text = open_metrics(&report).unwrap();
    for name in [
        "requests_waiting",
        "clients_idle",
        "memory_limit_bytes",
        "cpu_throttled",
    ] {
        let series = format!("\nmicroservice_flask_{name}");
        assert!(!text.contains(&format!("{series} ")), "{name}\n{text}");
    }
    assert!(!text.contains("reload_last"), "{text}");
    report.reloads.last = Some(crate::status::LastReload {
        outcome: "rolled_back".to_owned(),
        asked_by: String::new(),
        ts: "not a time".to_owned(),
        seconds: 1.0,
        text: String::new(),
    });
    let text = open_metrics(&report).unwrap();
    assert!(
        text.contains("microservice_flask_reload_last_success 0\n"),
        "{text}"
    );
    assert!(!text.contains("reload_last_timestamp_seconds"), "{text}");
}
