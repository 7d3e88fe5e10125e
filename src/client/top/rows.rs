//! The rows of each view: which there are, in which order, and what stands in them. Pure.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use super::view::{Sort, View};
use crate::status::words::{age, bytes, latency, time_of_day};
use crate::status::{RequestStatus, StatusReport, WorkerState, WorkerStatus};

/// A row of a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// What it is about: a row that is selected stays so, wherever it moves.
    pub(super) key: String,
    /// The worker that can be looked at and ended there.
    pub(super) worker: Option<u32>,
    /// One text for each column of the view.
    pub(super) cells: Vec<String>,
    /// Whether it is something that is not well.
    pub(super) is_bad: bool,
    /// Texts that the filter finds too.
    more: String,
}

impl Row {
    /// Whether the text stands in it, in large or small letters.
    pub(super) fn has(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut all = self.cells.iter().chain([&self.more]);
        all.any(|cell| cell.to_lowercase().contains(&text))
    }
}

/// The rows of a view. The order is that of workers; of others, the oldest request or what was last comes first.
pub(super) fn rows(report: &StatusReport, view: View, sort: Sort, is_reversed: bool) -> Vec<Row> {
    match view {
        View::Workers => workers(report, sort, is_reversed),
        View::Requests => requests(report),
        View::Slow => slow(report),
        View::Errors => errors(report),
        View::Events => events(report),
    }
}

/// The oldest request of a worker.
pub(super) fn oldest(worker: &WorkerStatus) -> Option<&RequestStatus> {
    worker.serving.iter().max_by_key(|request| request.seconds)
}

fn workers(report: &StatusReport, sort: Sort, is_reversed: bool) -> Vec<Row> {
    let mut workers: Vec<&WorkerStatus> = report.workers.iter().collect();
    workers.sort_by(|a, b| {
        let order = in_order(a, b, sort);
        if is_reversed { order.reverse() } else { order }
    });
    workers.into_iter().map(worker).collect()
}

/// The most first; those that are equal by their number.
fn in_order(a: &WorkerStatus, b: &WorkerStatus, sort: Sort) -> Ordering {
    let share = |worker: &WorkerStatus| worker.process.cpu_share.unwrap_or(-1.0);
    let order = match sort {
        Sort::Age => {
            let seconds = |worker| oldest(worker).map(|request| request.seconds);
            seconds(b).cmp(&seconds(a))
        }
        Sort::Cpu => share(b).total_cmp(&share(a)),
        Sort::Memory => b.process.pss_bytes.cmp(&a.process.pss_bytes),
        Sort::Requests => b.requests.cmp(&a.requests),
        Sort::Number => Ordering::Equal,
    };
    order.then(a.id.cmp(&b.id))
}

fn worker(worker: &WorkerStatus) -> Row {
    let process = &worker.process;
    let request = oldest(worker);
    let others = worker.serving.len().saturating_sub(1);
    let what = match (request, others) {
        (Some(request), 0) => line_of(request),
        (Some(request), others) => format!("{} +{others}", line_of(request)),
        (None, _) => String::new(),
    };
    let all: Vec<String> = worker
        .serving
        .iter()
        .map(|request| format!("{} {}", line_of(request), request.request_id))
        .collect();
    Row {
        key: worker.id.to_string(),
        worker: Some(worker.id),
        cells: vec![
            worker.id.to_string(),
            worker.pid.to_string(),
            worker.state.as_str().to_owned(),
            request.map_or_else(String::new, |request| age(request.seconds)),
            request.map_or_else(String::new, queued),
            what,
            request.map_or_else(String::new, |request| short(&request.request_id)),
            worker.requests.to_string(),
            process.pss_bytes.map_or_else(unknown, bytes),
            process.cpu_share.map_or_else(unknown, percent),
            process.age_seconds.map_or_else(unknown, whole_age),
            exits(&worker.exits),
        ],
        is_bad: matches!(worker.state, WorkerState::Stopped | WorkerState::Dead),
        more: all.join(" "),
    }
}

fn requests(report: &StatusReport) -> Vec<Row> {
    let mut all: Vec<(&WorkerStatus, &RequestStatus)> = report
        .workers
        .iter()
        .flat_map(|worker| worker.serving.iter().map(move |request| (worker, request)))
        .collect();
    all.sort_by_key(|(worker, request)| (Reverse(request.seconds), worker.id));
    all.into_iter()
        .map(|(worker, request)| Row {
            key: format!("{} {}", worker.id, request.request_id),
            worker: Some(worker.id),
            cells: vec![
                age(request.seconds),
                queued(request),
                worker.id.to_string(),
                line_of(request),
                short(&request.request_id),
            ],
            is_bad: false,
            more: request.request_id.clone(),
        })
        .collect()
}

fn slow(report: &StatusReport) -> Vec<Row> {
    let part = |seconds: Option<f64>| seconds.map_or_else(unknown, latency);
    let requests = report.slow_requests.iter().rev();
    requests
        .map(|request| Row {
            key: format!("{} {}", request.ts, request.request_id),
            worker: None,
            cells: vec![
                time_of_day(&request.ts).to_owned(),
                latency(request.seconds),
                part(request.queue_seconds),
                part(request.app_seconds),
                request.status.to_string(),
                request.worker.map_or_else(unknown, |id| id.to_string()),
                format!("{} {}", request.method, request.path),
                short(&request.request_id),
                request.reason.clone(),
            ],
            is_bad: request.status == 0 || request.status >= 500,
            more: request.request_id.clone(),
        })
        .collect()
}

fn errors(report: &StatusReport) -> Vec<Row> {
    let groups = report.errors.iter().rev();
    groups
        .map(|group| {
            let message = group.message.replace('\n', " ");
            // Without an exception, the kind is the message.
            let what = match (group.kind.contains(' '), message.as_str()) {
                (true, message) => message.to_owned(),
                (false, "") => group.kind.clone(),
                (false, message) => format!("{}: {message}", group.kind),
            };
            Row {
                key: format!("{} {} {}", group.source, group.kind, group.place),
                worker: None,
                cells: vec![
                    time_of_day(&group.last).to_owned(),
                    group.count.to_string(),
                    what,
                    group.place.clone(),
                    group.request.clone(),
                    short(&group.request_id),
                ],
                is_bad: false,
                more: format!("{} {}", group.source, group.request_id),
            }
        })
        .collect()
}

fn events(report: &StatusReport) -> Vec<Row> {
    let events = report.events.iter().rev();
    events
        .map(|event| Row {
            key: format!("{} {}", event.ts, event.message),
            worker: None,
            cells: vec![
                time_of_day(&event.ts).to_owned(),
                event.level.clone(),
                event.message.replace('\n', " "),
            ],
            is_bad: event.level != "info",
            more: String::new(),
        })
        .collect()
}

/// Method and path.
pub(super) fn line_of(request: &RequestStatus) -> String {
    format!("{} {}", request.kind(), request.path)
}

fn queued(request: &RequestStatus) -> String {
    request.queue_seconds.map_or_else(unknown, age)
}

/// The first characters of an id are enough to find it.
fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

fn percent(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the age of a process is positive, and its fractions are not shown"
)]
fn whole_age(seconds: f64) -> String {
    age(seconds as u64)
}

/// Ends by cause: `2 crash, 1 oom`.
pub(super) fn exits(exits: &BTreeMap<String, u64>) -> String {
    let causes: Vec<String> = exits
        .iter()
        .map(|(cause, count)| format!("{count} {cause}"))
        .collect();
    causes.join(", ")
}

fn unknown() -> String {
    "-".to_owned()
}
