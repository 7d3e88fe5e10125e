//! The report as metrics for Prometheus. Pure.
//!
//! The names and labels are an interface: alerts and dashboards in deploy/monitoring use them, and docs/metrics.md explains
//! each. All values come from one report, so they are consistent. What is not known has no series, which is not the same as
//! 0; no label has a value of a client's choice.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::metric_writer::MetricWriter;
use crate::status::verdict;
use crate::status::{ChildRole, ProcessFigures, StatusReport};

/// What all names begin with.
const PREFIX: &str = "microservice_flask";

/// All metrics as OpenMetrics (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
pub(super) fn open_metrics(report: &StatusReport) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    let service = registry.sub_registry_with_prefix(PREFIX);
    service.register_collector(Box::new(ServiceMetrics(report.clone())));
    registry.register_collector(Box::new(LauncherMetrics {
        own: report.resources.launcher,
        started: seconds_since_1970(&report.started_at),
    }));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The metrics of the service.
#[derive(Debug)]
struct ServiceMetrics(StatusReport);

/// The metrics of the launcher's own process, by the names that client libraries of Prometheus give them.
#[derive(Debug)]
struct LauncherMetrics {
    own: ProcessFigures,
    /// Seconds since 1970.
    started: Option<f64>,
}

impl Collector for ServiceMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (report, mut metrics) = (&self.0, MetricWriter(encoder));
        metrics.service(report)?;
        metrics.requests(report)?;
        metrics.queue(report)?;
        metrics.workers(report)?;
        metrics.reloads(report)?;
        metrics.resources(report)?;
        metrics.log(report)
    }
}

impl Collector for LauncherMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (own, mut metrics) = (&self.own, MetricWriter(encoder));
        let help = "CPU time of the launcher, in user and kernel mode.";
        metrics.counter("process_cpu", help, Some(&Unit::Seconds), own.cpu_seconds)?;
        let help = "Memory of the launcher that is present (resident set size).";
        metrics.gauge(
            "process_resident_memory",
            help,
            Some(&Unit::Bytes),
            own.rss_bytes,
        )?;
        let help = "When the launcher was started (seconds since 1970).";
        metrics.gauge(
            "process_start_time",
            help,
            Some(&Unit::Seconds),
            self.started,
        )?;
        let help = "Open file descriptors of the launcher.";
        metrics.gauge("process_open_fds", help, None, own.descriptors)
    }
}

impl MetricWriter<'_> {
    fn service(&mut self, report: &StatusReport) -> fmt::Result {
        let labels = [
            ("service", report.name.as_str()),
            ("version", report.version.as_str()),
        ];
        let help = "The service, and the version of the launcher.";
        let mut family = self
            .0
            .encode_descriptor("info", help, None, MetricType::Gauge)?;
        family.encode_family(&labels)?.encode_gauge(&1_u64)?;
        let help = "1 when the service is ready for requests, else 0.";
        self.gauge("ready", help, None, Some(u64::from(report.ready)))?;
        let help = "Seconds since the launcher started.";
        self.gauge(
            "uptime",
            help,
            Some(&Unit::Seconds),
            Some(report.uptime_seconds),
        )?;
        let help = "Number of the serving configuration: 1 after the start, a higher one after each reload.";
        self.gauge("generation", help, None, Some(u64::from(report.generation)))?;
        let help = "Restarts of nginx and uWSGI, the first start not counted.";
        let children = report.children.iter();
        let serving = children.filter(|child| child.role == ChildRole::Serving);
        let restarts: Vec<_> = serving
            .map(|child| ([("child", child.name.as_str())], u64::from(child.restarts)))
            .collect();
        self.counters("child_restarts", help, None, restarts)
    }

    fn requests(&mut self, report: &StatusReport) -> fmt::Result {
        let traffic = &report.traffic;
        let help = "Answers to clients, without health checks that went well; status 000: the connection ended before one.";
        let answers = traffic.answers.iter().filter_map(|(name, count)| {
            let (method, status) = name.split_once(' ')?;
            Some(([("method", method), ("status", status)], *count))
        });
        self.counters("http_requests", help, None, answers)?;
        let help = "Time of a request, from its first byte to the last of the answer.";
        self.histogram("http_request_duration", help, &traffic.duration)?;
        let help = "Time that a request has waited for a slot; only of those that got one.";
        self.histogram("queue_wait", help, &traffic.queue)?;
        let help = "Time that a request has spent in the application.";
        self.histogram("app_duration", help, &traffic.app)?;
        let help = "Requests that the product itself has refused with 503, or ended, by cause.";
        let shed = report
            .shed
            .iter()
            .map(|(cause, count)| ([("cause", cause.as_str())], *count));
        self.counters("requests_shed", help, None, shed)?;
        let help = "Requests that ran for longer than request_timeout.";
        self.counter("request_timeouts", help, None, Some(traffic.timeouts))?;
        let help = "Requests that were given to a second worker, because the first one had died.";
        self.counter("requests_replayed", help, None, Some(traffic.replayed))?;
        let help = "Answers of the application that ended before they were complete.";
        self.counter("answers_cut", help, None, Some(traffic.cut))
    }

    fn queue(&mut self, report: &StatusReport) -> fmt::Result {
        let help = "Requests that can be served at the same time; a process that is dead, ending or stopped serves none.";
        self.gauge("slots", help, None, Some(verdict::slots(report) as u64))?;
        let help = "Requests in the application.";
        let busy = verdict::busy(report);
        self.gauge("slots_busy", help, None, Some(busy as u64))?;
        let help = "Requests that wait for a slot.";
        self.gauge(
            "requests_waiting",
            help,
            None,
            report.waiting.map(u64::from),
        )?;
        let help = "How long the oldest of them has been waiting; 0 when none waits.";
        self.gauge(
            "queue_oldest",
            help,
            Some(&Unit::Seconds),
            report.oldest_wait_seconds,
        )?;
        let help = "Requests that may wait for a slot.";
        self.gauge("queue_size", help, None, Some(u64::from(report.plan.queue)))?;
        let clients = report.clients;
        let help = "Connections of which nginx reads the headers of a request.";
        self.gauge(
            "clients_reading",
            help,
            None,
            clients.map(|clients| clients.reading),
        )?;
        let help = "Connections with a request: nginx reads its body, waits for the application, or sends the answer.";
        self.gauge(
            "clients_writing",
            help,
            None,
            clients.map(|clients| clients.writing),
        )?;
        let help = "Connections that are kept open without a request.";
        self.gauge(
            "clients_idle",
            help,
            None,
            clients.map(|clients| clients.idle),
        )
    }

    fn workers(&mut self, report: &StatusReport) -> fmt::Result {
        let help = "Processes of the application that have ended, by cause; those that ended with uWSGI are in child_restarts_total.";
        let exits = report.worker_exits.iter();
        let exits = exits.map(|(cause, count)| ([("cause", cause.as_str())], *count));
        self.counters("worker_exits", help, None, exits)?;
        let ids: Vec<String> = report
            .workers
            .iter()
            .map(|worker| worker.id.to_string())
            .collect();
        let of = |id| [("worker", id)];
        let each = || ids.iter().map(String::as_str).map(of).zip(&report.workers);
        let help = "Requests that a worker has finished.";
        let requests = each().map(|(labels, worker)| (labels, worker.requests));
        self.counters("worker_requests", help, None, requests)?;
        let help = "CPU time of the process of a worker, in user and kernel mode.";
        let cpu = each().filter_map(|(labels, worker)| Some((labels, worker.process.cpu_seconds?)));
        self.counters("worker_cpu", help, Some(&Unit::Seconds), cpu)?;
        let help = "Memory of the process of a worker; what it shares with others counts in parts (proportional set size).";
        let pss = each().filter_map(|(labels, worker)| Some((labels, worker.process.pss_bytes?)));
        self.gauges("worker_memory_pss", help, Some(&Unit::Bytes), pss)
    }

    fn reloads(&mut self, report: &StatusReport) -> fmt::Result {
        let reloads = &report.reloads;
        let help = "Reloads, by outcome.";
        let outcomes = reloads.outcomes.iter();
        let outcomes = outcomes.map(|(outcome, count)| ([("outcome", outcome.as_str())], *count));
        self.counters("reloads", help, None, outcomes)?;
        // Before the first reload there is neither.
        let help =
            "1 when the last reload has put its configuration and code into service, else 0.";
        let last = reloads.last.as_ref();
        let success = last.map(|last| u64::from(last.outcome == "committed"));
        self.gauge("reload_last_success", help, None, success)?;
        let help = "When the last reload ended (seconds since 1970).";
        let at = last.and_then(|last| seconds_since_1970(&last.ts));
        self.gauge("reload_last_timestamp", help, Some(&Unit::Seconds), at)
    }

    fn resources(&mut self, report: &StatusReport) -> fmt::Result {
        let group = &report.resources;
        let bytes = Some(&Unit::Bytes);
        let help = "Memory that the container may use; no series without a limit.";
        self.gauge("memory_limit", help, bytes, group.memory_limit_bytes)?;
        let help = "Memory that the container uses, page cache included.";
        self.gauge("memory_usage", help, bytes, group.memory_usage_bytes)?;
        let help = "Processes of the container that the kernel has killed for memory.";
        self.counter("oom_kills", help, None, Some(group.oom_kills))?;
        let help = "Time that processes have waited because the container had used up its CPU time; no series without a limit.";
        let throttled = group.cpu_throttled_seconds;
        self.counter("cpu_throttled", help, Some(&Unit::Seconds), throttled)
    }

    fn log(&mut self, report: &StatusReport) -> fmt::Result {
        let log = &report.log;
        let help =
            "Log records read from nginx, uWSGI and the application, and the launcher's own.";
        self.counter("log_records_produced", help, None, Some(log.produced))?;
        let help = "Log records written to stdout.";
        self.counter("log_records_delivered", help, None, Some(log.delivered))?;
        let help = "Log records lost because stdout accepted no data.";
        self.counter("log_records_dropped", help, None, Some(log.dropped))?;
        let help = "Seconds since stdout last accepted data; 0 while it does.";
        let stalled = log.stalled_seconds.unwrap_or_default();
        self.gauge("log_stalled", help, Some(&Unit::Seconds), Some(stalled))
    }
}

fn seconds_since_1970(rfc_3339: &str) -> Option<f64> {
    let at: jiff::Timestamp = rfc_3339.parse().ok()?;
    Some(at.as_duration().as_secs_f64())
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
