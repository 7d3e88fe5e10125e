//! Routes requests on the control socket and the admin address to their answers.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use nix::unistd::Pid;
use serde::Serialize;

use super::metrics;
use crate::exit;
use crate::http::Response;
use crate::reload_answer::{ReloadAnswer, ReloadOutcome};
use crate::status::{HealthReport, ServicePhase, StatusReport, WorkerState, WorkerStatus};
use crate::supervise::commands::{Commands, Snapshot};
use crate::supervise::program::Health;

/// The body of the response to `POST /reload`.
#[derive(Serialize)]
struct ReloadBody<'a> {
    #[serde(flatten)]
    answer: &'a ReloadAnswer,
    /// The exit code of the command `reload`.
    code: u8,
}

/// What the clients of a listener may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// GET and HEAD only; the paths of commands do not exist.
    ReadOnly,
    /// Also reload and restart a worker.
    Control,
}

/// Answers one request; always with a response, because errors are responses too.
pub(crate) async fn answer(
    method: Method,
    path: String,
    commands: Commands,
    rights: Rights,
) -> Response {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let command = matches!(parts.as_slice(), ["reload"] | ["workers", _, "restart"]);
    let query = matches!(
        parts.as_slice(),
        ["livez" | "readyz" | "status" | "metrics" | "healthcheck"]
    );
    if command && rights == Rights::Control {
        return match (method, parts.as_slice()) {
            (Method::POST, ["workers", id, _]) => restart_worker(id, &commands).await,
            (Method::POST, _) => reload(&commands).await,
            _ => not_allowed("POST"),
        };
    }
    if !query {
        return text(
            StatusCode::NOT_FOUND,
            "not found; try /livez, /readyz, /status, /metrics or /healthcheck\n",
        );
    }
    if method != Method::GET && method != Method::HEAD {
        return not_allowed("GET, HEAD");
    }
    let Some(snapshot) = commands.report().await else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the launcher is stopping\n",
        );
    };
    match path.as_str() {
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" => readyz(&snapshot),
        "/status" => json(StatusCode::OK, &with_workers(snapshot).await),
        "/metrics" => {
            let text = metrics::text(&with_workers(snapshot).await);
            response(StatusCode::OK, metrics::CONTENT_TYPE, text)
        }
        _ => {
            let health = health(&snapshot).await;
            let status = if health.level == 2 {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            };
            json(status, &health)
        }
    }
}

fn not_allowed(allowed: &'static str) -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed}\n"));
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

async fn reload(commands: &Commands) -> Response {
    let stopping = || ReloadAnswer {
        outcome: ReloadOutcome::Refused,
        text: "the launcher is stopping".to_owned(),
    };
    let answer = commands.reload().await.unwrap_or_else(stopping);
    let status = match answer.outcome {
        ReloadOutcome::Committed => StatusCode::OK,
        ReloadOutcome::RolledBack | ReloadOutcome::Refused => StatusCode::CONFLICT,
        ReloadOutcome::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let body = ReloadBody {
        code: exit::reload_code(answer.outcome),
        answer: &answer,
    };
    json(status, &body)
}

async fn restart_worker(id: &str, commands: &Commands) -> Response {
    let stopping = || {
        text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the launcher is stopping\n",
        )
    };
    let Some(Snapshot {
        application: Some(application),
        ..
    }) = commands.report().await
    else {
        return stopping();
    };
    let workers = match application.workers().await {
        Ok(workers) => workers,
        Err(error) => {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("uWSGI does not answer: {error}\n"),
            );
        }
    };
    let found = workers
        .iter()
        .find(|worker| worker.id.to_string() == id && worker.pid > 0);
    if let Some(worker) = found.filter(|worker| worker.state == WorkerState::Dead) {
        let body = format!("worker {id} (pid {}) is dead already\n", worker.pid);
        return text(StatusCode::CONFLICT, &body);
    }
    match found {
        Some(worker) if commands.restart_worker(Pid::from_raw(worker.pid)).await => text(
            StatusCode::OK,
            &format!("worker {id} (pid {}) is ended and replaced\n", worker.pid),
        ),
        Some(_) => stopping(),
        None => {
            let known: Vec<String> = workers.iter().map(|worker| worker.id.to_string()).collect();
            text(
                StatusCode::NOT_FOUND,
                &format!("there is no worker {id}; there are {}\n", known.join(", ")),
            )
        }
    }
}

fn readyz(snapshot: &Snapshot) -> Response {
    let report = &snapshot.report;
    if report.ready {
        return text(StatusCode::OK, "ready\n");
    }
    let mut reason = report
        .reason
        .clone()
        .unwrap_or_else(|| "not ready".to_owned());
    let queue = snapshot
        .application
        .as_ref()
        .and_then(|application| application.queue());
    if let Some(queue) = queue.filter(|queue| queue.waiting > 0) {
        // Writing to a String cannot fail.
        let _ = write!(
            reason,
            "; {} requests wait, the oldest for {:.1} s",
            queue.waiting, queue.oldest_seconds
        );
    }
    text(StatusCode::SERVICE_UNAVAILABLE, &format!("{reason}\n"))
}

/// Adds what the programs report: the workers, the requests that wait, the clients of nginx. What cannot be polled is left
/// out.
async fn with_workers(snapshot: Snapshot) -> StatusReport {
    let mut report = snapshot.report;
    if let Some(application) = snapshot.application {
        report.workers = application.workers().await.unwrap_or_default();
        report.warnings = application.warnings();
        let queue = application.queue();
        report.waiting = queue.map(|queue| queue.waiting);
        report.oldest_wait_seconds = queue.map(|queue| queue.oldest_seconds);
    }
    if let Some(proxy) = snapshot.proxy {
        report.clients = proxy.clients().await;
    }
    report
}

/// Passing: ready, and the health path answers. Warning: starting, or every slot is busy. Critical: anything else.
async fn health(snapshot: &Snapshot) -> HealthReport {
    let report = &snapshot.report;
    if !report.ready {
        let reason = report.reason.clone().unwrap_or_default();
        let level = match report.phase {
            ServicePhase::Starting => 1,
            ServicePhase::Ready
            | ServicePhase::Reloading
            | ServicePhase::Degraded
            | ServicePhase::Stopping => 2,
        };
        return HealthReport { level, reason };
    }
    let application = snapshot.application.as_ref();
    let Some((application, path)) =
        application.and_then(|application| Some((application, application.health_path()?)))
    else {
        return HealthReport {
            level: 0,
            reason: "ready".to_owned(),
        };
    };
    let (level, reason) = match application.check_health().await {
        Health::Passing => (0, format!("ready, and {path} answers")),
        Health::Busy => {
            // What cannot be polled is left out of the text.
            let workers = application.workers().await.unwrap_or_default();
            let serving = serving(&workers, report.plan.processes);
            (1, format!("busy: {serving}; {path} waits for a free slot"))
        }
        Health::Failing(why) => (2, why),
    };
    HealthReport { level, reason }
}

/// Which of the processes serve, in words. All of them when nothing is known of them.
fn serving(workers: &[WorkerStatus], processes: u32) -> String {
    let with_slots = |worker: &&WorkerStatus| worker.state.has_slots();
    let count = workers.iter().filter(with_slots).count();
    if count == workers.len() {
        return format!("all {processes} processes are serving");
    }
    let verb = if count == 1 { "is" } else { "are" };
    let all = workers.len();
    format!("{count} of {all} processes {verb} serving, the others are ending, stopped or dead")
}

fn text(status: StatusCode, body: &str) -> Response {
    response(status, "text/plain; charset=utf-8", body.to_owned())
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(body) => response(status, "application/json", body + "\n"),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("cannot write JSON: {error}\n"),
        ),
    }
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
