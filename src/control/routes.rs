//! Which code answers which request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use nix::unistd::Pid;
use serde::Serialize;

use super::metrics;
use crate::health::probe::{self, Verdict};
use crate::health::{nginx, stats};
use crate::http::Response;
use crate::status::{
    HealthReport, ServicePhase, ServingStatus, StatusReport, WorkerState, WorkerStatus,
};
use crate::supervise::command::{Commands, ReloadAnswer, Snapshot};

/// What the clients of a listener may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// GET and HEAD only; the paths of commands do not exist.
    ReadOnly,
    /// Also reload and restart a worker.
    Control,
}

/// Answers one request; always with a response, because errors are responses too.
pub async fn answer(method: Method, path: String, commands: Commands, rights: Rights) -> Response {
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
        "/readyz" => readyz(&snapshot.report),
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
        code: 75,
        text: "the launcher is stopping".to_owned(),
    };
    let answer = commands.reload().await.unwrap_or_else(stopping);
    let status = match answer.code {
        0 => StatusCode::OK,
        78 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    };
    json(status, &answer)
}

async fn restart_worker(id: &str, commands: &Commands) -> Response {
    let Some(Snapshot {
        stats: Some(socket),
        ..
    }) = commands.report().await
    else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the launcher is stopping\n",
        );
    };
    let workers = match stats::read(&socket).await {
        Ok(workers) => workers,
        Err(error) => {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("uWSGI does not answer: {error}\n"),
            );
        }
    };
    match workers
        .iter()
        .find(|worker| worker.id.to_string() == id && worker.pid > 0)
    {
        Some(worker) if commands.restart_worker(Pid::from_raw(worker.pid)).await => text(
            StatusCode::OK,
            &format!("worker {id} (pid {}) is ended and replaced\n", worker.pid),
        ),
        Some(_) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the launcher is stopping\n",
        ),
        None => {
            let known: Vec<String> = workers.iter().map(|worker| worker.id.to_string()).collect();
            text(
                StatusCode::NOT_FOUND,
                &format!("there is no worker {id}; there are {}\n", known.join(", ")),
            )
        }
    }
}

fn readyz(report: &StatusReport) -> Response {
    if report.ready {
        return text(StatusCode::OK, "ready\n");
    }
    let reason = report.reason.as_deref().unwrap_or("not ready");
    text(StatusCode::SERVICE_UNAVAILABLE, &format!("{reason}\n"))
}

/// For nginx to report its connections.
const NGINX_TIMEOUT: Duration = Duration::from_secs(1);

/// Adds uWSGI's statistics of its workers and the number of waiting requests; what is not answered is left out. Waiting are
/// the requests that are in flight at nginx and in no worker.
async fn with_workers(snapshot: Snapshot) -> StatusReport {
    let mut report = snapshot.report;
    let Some(socket) = snapshot.stats else {
        return report;
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    if let Ok(workers) = stats::read(&socket).await {
        report.workers = workers
            .into_iter()
            .map(|worker| worker_status(worker, now))
            .collect();
    }
    if let Some(socket) = snapshot.proxy {
        let connections = nginx::connections(&socket, NGINX_TIMEOUT).await.ok();
        let mut busy: usize = report
            .workers
            .iter()
            .map(|worker| worker.serving.len())
            .sum();
        for socket in snapshot.retiring {
            // Requests in workers of the previous generation do not wait either.
            let workers = stats::read(&socket).await.unwrap_or_default();
            busy += workers
                .iter()
                .map(|worker| worker.current.len())
                .sum::<usize>();
        }
        report.waiting = connections.map(|c| c.writing.saturating_sub(busy as u64));
    }
    report
}

fn worker_status(worker: stats::Worker, now: u64) -> WorkerStatus {
    let state = match (worker.accepting, worker.current.is_empty()) {
        (_, false) => WorkerState::Busy,
        (true, true) => WorkerState::Idle,
        (false, true) => WorkerState::Starting,
    };
    WorkerStatus {
        id: worker.id,
        pid: worker.pid,
        state,
        requests: worker.requests,
        serving: worker
            .current
            .into_iter()
            .map(|request| ServingStatus {
                request_id: request.id,
                method: request.method,
                path: request.path,
                seconds: now.saturating_sub(request.started),
            })
            .collect(),
    }
}

/// Passing: ready, and the health path answers. Warning: starting, or every slot is busy. Critical: anything else.
async fn health(snapshot: &Snapshot) -> HealthReport {
    let report = &snapshot.report;
    let reason = report.reason.clone().unwrap_or_default();
    if !report.ready {
        let level = if report.phase == ServicePhase::Starting {
            1
        } else {
            2
        };
        return HealthReport { level, reason };
    }
    let Some(path) = &snapshot.health else {
        return HealthReport {
            level: 0,
            reason: "ready".to_owned(),
        };
    };
    let plan = &report.plan;
    let (level, reason) = match probe::verdict(path, snapshot.stats.as_ref()).await {
        Verdict::Answers => (0, format!("ready, and {} answers", path.path)),
        Verdict::Busy => (
            1,
            format!(
                "busy: all {} processes are serving; {} waits for a free slot",
                plan.processes, path.path
            ),
        ),
        Verdict::Fails(why) => (2, why),
    };
    HealthReport { level, reason }
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
