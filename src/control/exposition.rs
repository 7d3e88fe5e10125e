//! Metrics in the format that a client accepts: OpenMetrics, or the older text format of Prometheus. Pure.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::ACCEPT;

use super::metrics;
use crate::status::StatusReport;

/// The type of what [`metrics::open_metrics`] writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The older format (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics, with their Content-Type: OpenMetrics only for who asks for it, as Prometheus does.
pub(super) fn answer(
    report: &StatusReport,
    headers: &HeaderMap,
) -> Result<(&'static str, String), fmt::Error> {
    let text = metrics::open_metrics(report)?;
    let accepted = headers.get_all(ACCEPT).iter();
    let wants = |value: &hyper::header::HeaderValue| {
        let value = value.to_str().unwrap_or_default();
        value.contains("application/openmetrics-text")
    };
    Ok(if accepted.into_iter().any(wants) {
        (OPEN_METRICS, text)
    } else {
        (TEXT, older(&text))
    })
}

/// The same in the older format. There, `_total` belongs to the name of a counter itself, and units and an end are unknown.
fn older(text: &str) -> String {
    let counters: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let words = (words.next(), words.next(), words.next(), words.next());
        match words {
            (Some("#"), Some("UNIT" | "EOF"), ..) => continue,
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                out.push_str(&format_args!("# {what} {name}_total {rest}").to_string());
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    #[test]
    fn the_client_chooses_the_format() {
        let mut headers = HeaderMap::new();
        let (kind, text) = answer(&sample::report(), &headers).unwrap();
        assert_eq!(kind, TEXT);
        for line in [
            "# HELP microservice_flask_requests_shed_total Requests that the product itself has refused with 503, or ended, by cause.",
            "# TYPE microservice_flask_requests_shed_total counter",
            "microservice_flask_requests_shed_total{cause=\"queue_full\"} 8",
            "# TYPE microservice_flask_uptime_seconds gauge",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(
            !text.contains("# UNIT") && !text.contains("# EOF"),
            "{text}"
        );
        headers.insert(
            ACCEPT,
            "application/openmetrics-text;version=1.0.0,*/*;q=0.1"
                .parse()
                .unwrap(),
        );
        let (kind, text) = answer(&sample::report(), &headers).unwrap();
        assert_eq!(kind, OPEN_METRICS);
        assert!(
            text.contains("# TYPE microservice_flask_requests_shed counter\n"),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
