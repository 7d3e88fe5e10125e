//! Routes requests on the control socket and the admin address to their answers.

use std::fmt::Write as _;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use nix::unistd::Pid;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::callers::{self, Rights};
use super::health::HealthChecks;
use super::{metrics, outline};
use crate::exit;
use crate::http::Response;
use crate::reload_answer::{ReloadAnswer, ReloadOutcome};
use crate::status::{HealthReport, StatusReport, WorkerState};
use crate::supervise::commands::{Commands, Snapshot};

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The body of the response to `POST /reload`.
#[derive(Serialize)]
struct ReloadBody<'a> {
    #[serde(flatten)]
    answer: &'a ReloadAnswer,
    /// The exit code of the command `reload`.
    code: u8,
}

/// Limit of the clients of a listener whose answers wait for nginx or uWSGI. They are fewer than the connections of a
/// server, so that /livez and /readyz are answered at any time.
const WAITING_CLIENTS: usize = 32;

/// What answers on a listener.
#[derive(Debug)]
pub(crate) struct Site {
    commands: Commands,
    rights: Rights,
    checks: Rc<HealthChecks>,
    waiting: Semaphore,
}

impl Site {
    /// `checks` are those of all listeners.
    pub(crate) fn new(commands: Commands, rights: Rights, checks: Rc<HealthChecks>) -> Self {
        Self {
            commands,
            rights,
            checks,
            waiting: Semaphore::new(WAITING_CLIENTS),
        }
    }

    /// Answers one request; always with a response, because errors are responses too.
    pub(crate) async fn answer(&self, request: &Parts) -> Response {
        if let Some((status, why)) = callers::refusal(self.rights, &request.uri, &request.headers) {
            return text(status, &why);
        }
        let (method, path) = (&request.method, request.uri.path());
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let command = matches!(parts.as_slice(), ["reload"] | ["workers", _, "restart"]);
        let query = matches!(
            parts.as_slice(),
            ["livez" | "readyz" | "status" | "metrics" | "healthcheck"]
        );
        if command && self.rights == Rights::Control {
            return match (method, parts.as_slice()) {
                (&Method::POST, ["workers", id, _]) => restart_worker(id, &self.commands).await,
                (&Method::POST, _) => reload(&self.commands).await,
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
        let Some(snapshot) = self.commands.report().await else {
            return stopping();
        };
        let whole = snapshot.admin_details || self.rights == Rights::Control;
        match path {
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => readyz(&snapshot, whole),
            _ => match self.waiting.try_acquire() {
                Ok(_waits) => self.ask_programs(path, snapshot, whole).await,
                Err(_) => self.too_many(path, &snapshot, whole),
            },
        }
    }

    /// Answers that nginx and uWSGI are asked for.
    async fn ask_programs(&self, path: &str, snapshot: Snapshot, whole: bool) -> Response {
        match path {
            "/status" => {
                let health_path = health_path(&snapshot);
                let report = with_workers(snapshot).await;
                if whole {
                    return json(StatusCode::OK, &report);
                }
                json(
                    StatusCode::OK,
                    &outline::report(report, health_path.as_deref()),
                )
            }
            "/metrics" => {
                let text = metrics::text(&with_workers(snapshot).await);
                response(StatusCode::OK, metrics::CONTENT_TYPE, text)
            }
            _ => {
                let health_path = health_path(&snapshot);
                match self.checks.ask(snapshot).await {
                    Some(health) => health_answer(health, health_path.as_deref(), whole),
                    None => stopping(),
                }
            }
        }
    }

    /// For a client that may not wait too.
    fn too_many(&self, path: &str, snapshot: &Snapshot, whole: bool) -> Response {
        let recent = self.checks.recent().filter(|_| path == "/healthcheck");
        if let Some(health) = recent {
            return health_answer(health, health_path(snapshot).as_deref(), whole);
        }
        let body = format!("{WAITING_CLIENTS} clients wait for such answers already; ask again\n");
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, &body);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}

fn health_path(snapshot: &Snapshot) -> Option<String> {
    let application = snapshot.application.as_ref()?;
    application.health_path().map(str::to_owned)
}

fn health_answer(mut health: HealthReport, health_path: Option<&str>, whole: bool) -> Response {
    if !whole {
        health.reason = outline::reason(&health.reason, health_path);
    }
    let status = if health.level == 2 {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    json(status, &health)
}

fn stopping() -> Response {
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "the launcher is stopping\n",
    )
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

fn readyz(snapshot: &Snapshot, whole: bool) -> Response {
    let report = &snapshot.report;
    if report.ready {
        return text(StatusCode::OK, "ready\n");
    }
    let mut reason = report
        .reason
        .clone()
        .unwrap_or_else(|| "not ready".to_owned());
    if !whole {
        reason = outline::reason(&reason, health_path(snapshot).as_deref());
    }
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
    // For browsers: the text is no script or page, and no page of others may have it.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    response
}
