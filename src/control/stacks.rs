//! `POST /stacks`, `POST /workers/ID/stacks` and `POST /profile`: what the Python code of the workers does.
//!
//! On the control socket alone: stacks name functions and files of the application.

use std::time::Duration;

use hyper::StatusCode;

use super::answers::{json, text};
use super::workers;
use crate::http::Response;
use crate::stacks::ask::{StackError, StackReader};
use crate::stacks::{ProfileAnswer, StackTarget, StacksAnswer};
use crate::status::{WorkerState, WorkerStatus};
use crate::telemetry::reports::Published;

/// Seconds of a profile, and the most of them in one answer; who wants more asks again.
const DEFAULT_SECONDS: f64 = 5.0;
const MAX_SECONDS: f64 = 30.0;

/// The stacks of one worker, or of those that have requests.
pub(super) async fn stacks(reader: &StackReader, latest: &Published, id: Option<&str>) -> Response {
    let report = &latest.report;
    let (workers, finishing) = if let Some(id) = id {
        match workers::find(&report.workers, id) {
            Ok(worker) => (vec![worker.clone()], Vec::new()),
            Err(response) => return *response,
        }
    } else {
        let busy = report.workers.iter();
        let busy = busy.filter(|worker| !worker.serving.is_empty());
        (busy.cloned().collect(), report.finishing.clone())
    };
    let targets = targets(workers.iter().chain(&finishing));
    let read = if targets.is_empty() {
        Ok(Vec::new())
    } else {
        reader.stacks(latest.user(), &targets).await
    };
    match read {
        Ok(stacks) => json(
            StatusCode::OK,
            &StacksAnswer {
                workers,
                finishing,
                stacks,
            },
        ),
        Err(error) => refused(&error),
    }
}

/// What the requests of all workers do for some seconds; `query` is that of the URL: `seconds=N`.
pub(super) async fn profile(
    reader: &StackReader,
    latest: &Published,
    query: Option<&str>,
) -> Response {
    let Some(length) = length(query) else {
        let body = format!("expected ?seconds=N, at most {MAX_SECONDS}\n");
        return text(StatusCode::BAD_REQUEST, &body);
    };
    let report = &latest.report;
    let targets = targets(report.workers.iter().chain(&report.finishing));
    if targets.is_empty() {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the application has no process now\n",
        );
    }
    match reader.profile(latest.user(), &targets, length).await {
        Ok(profile) => {
            let name = report.name.clone();
            json(StatusCode::OK, &ProfileAnswer { name, profile })
        }
        Err(error) => refused(&error),
    }
}

fn length(query: Option<&str>) -> Option<Duration> {
    let seconds = match query {
        None => DEFAULT_SECONDS,
        Some(query) => query.strip_prefix("seconds=")?.parse().ok()?,
    };
    (seconds > 0.0 && seconds <= MAX_SECONDS).then(|| Duration::from_secs_f64(seconds))
}

fn targets<'a>(workers: impl Iterator<Item = &'a WorkerStatus>) -> Vec<StackTarget> {
    let alive = |worker: &&WorkerStatus| worker.pid > 0 && worker.state != WorkerState::Dead;
    let alive = workers.filter(alive);
    let target = |worker: &WorkerStatus| StackTarget {
        id: worker.id,
        pid: worker.pid,
    };
    alive.map(target).collect()
}

fn refused(error: &StackError) -> Response {
    let status = match error {
        StackError::Busy => StatusCode::CONFLICT,
        StackError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    text(status, &format!("{error}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    #[test]
    fn a_profile_has_a_length_that_makes_sense() {
        let millis = |query| length(query).map(|length| length.as_millis());
        assert_eq!(millis(None), Some(5000));
        assert_eq!(millis(Some("seconds=0.5")), Some(500));
        assert_eq!(millis(Some("seconds=30")), Some(30_000));
        for query in ["", "seconds=", "seconds=0", "seconds=-1", "seconds=31"] {
            assert_eq!(millis(Some(query)), None, "{query}");
        }
        for query in ["seconds=NaN", "seconds=inf", "seconds=5&x=1", "x"] {
            assert_eq!(millis(Some(query)), None, "{query}");
        }
    }

    #[test]
    fn only_living_processes_are_looked_into() {
        let mut workers = sample::report().workers;
        workers.truncate(1);
        let mut dead = workers[0].clone();
        dead.state = WorkerState::Dead;
        let mut missing = workers[0].clone();
        missing.pid = 0;
        let (id, pid) = (workers[0].id, workers[0].pid);
        workers.extend([dead, missing]);
        assert_eq!(targets(workers.iter()), [StackTarget { id, pid }]);
    }
}
