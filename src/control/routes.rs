//! Routes requests on the control socket and the admin address to their answers.

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::answers::{json, not_allowed, response, stopping, text, too_many};
use super::callers::{self, Rights};
use super::health::HealthChecks;
use super::live::LivePage;
use super::{exposition, outline, stacks, workers};
use crate::exit;
use crate::http::Response;
use crate::reload_answer::{ReloadAnswer, ReloadOutcome};
use crate::stacks::ask::StackReader;
use crate::status::{HealthReport, StatusReport};
use crate::supervise::commands::Commands;
use crate::telemetry::reports::{Published, Reports};

/// The body of the response to `POST /reload`.
#[derive(Serialize)]
struct ReloadBody<'a> {
    #[serde(flatten)]
    answer: &'a ReloadAnswer,
    /// The exit code of the command `reload`.
    code: u8,
}

/// Limit of the clients of a listener whose answers wait for the application. They are fewer than the connections of a
/// server, so that all others are answered at any time.
const WAITING_CLIENTS: usize = 32;

/// How long who asks for figures waits for those of this moment.
const FOR_FIGURES: Duration = Duration::from_millis(300);
/// How long a health check waits for them: probes have little time.
const FOR_HEALTH: Duration = Duration::from_millis(35);

/// What answers on a listener.
#[derive(Debug)]
pub(crate) struct Site {
    commands: Commands,
    reports: Reports,
    rights: Rights,
    checks: Rc<HealthChecks>,
    waiting: Semaphore,
    page: Rc<LivePage>,
    /// What reads Python stacks; none: nothing does.
    stacks: Option<StackReader>,
}

impl Site {
    /// `checks` are those of all listeners.
    pub(crate) fn new(
        commands: Commands,
        reports: Reports,
        rights: Rights,
        checks: Rc<HealthChecks>,
    ) -> Self {
        let page = Rc::new(LivePage::new(reports.clone(), rights));
        Self {
            commands,
            reports,
            rights,
            checks,
            waiting: Semaphore::new(WAITING_CLIENTS),
            page,
            stacks: None,
        }
    }

    /// The same site, which also has Python stacks read: that of the control socket.
    pub(crate) fn with_stacks(self, stacks: StackReader) -> Self {
        Self {
            stacks: Some(stacks),
            ..self
        }
    }

    /// Answers one request; always with a response, because errors are responses too.
    pub(crate) async fn answer(&self, request: &Parts) -> Response {
        if let Some((status, why)) = callers::refusal(self.rights, &request.uri, &request.headers) {
            return text(status, &why);
        }
        let (method, path) = (&request.method, request.uri.path());
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let command = matches!(
            parts.as_slice(),
            ["reload" | "stacks" | "profile"] | ["workers", _, "restart" | "stacks"]
        );
        let query = matches!(
            parts.as_slice(),
            ["" | "events" | "livez" | "readyz" | "status" | "metrics" | "healthcheck"]
        );
        if command && self.rights == Rights::Control {
            return match method {
                &Method::POST => self.command(&parts, request.uri.query()).await,
                _ => not_allowed("POST"),
            };
        }
        if !query {
            return text(
                StatusCode::NOT_FOUND,
                "not found; try / for a page, /livez, /readyz, /status, /metrics or /healthcheck\n",
            );
        }
        if method != Method::GET && method != Method::HEAD {
            return not_allowed("GET, HEAD");
        }
        let latest = match path {
            "/" | "/status" | "/metrics" => self.reports.fresh(FOR_FIGURES).await,
            "/healthcheck" => self.reports.fresh(FOR_HEALTH).await,
            _ => self.reports.latest(),
        };
        let Some(latest) = latest else {
            return stopping();
        };
        let whole = latest.admin_details || self.rights == Rights::Control;
        match path {
            "/" => self.page.document(&latest),
            "/events" => self.page.events(method == Method::HEAD),
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => readyz(&latest, whole),
            "/status" if whole => json(StatusCode::OK, &*latest.report),
            "/status" => {
                let report = StatusReport::clone(&latest.report);
                json(
                    StatusCode::OK,
                    &outline::report(report, latest.health_path()),
                )
            }
            "/metrics" => match exposition::answer(&latest.report, &request.headers) {
                Ok((kind, text)) => response(StatusCode::OK, kind, text),
                Err(error) => text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &format!("cannot write the metrics: {error}\n"),
                ),
            },
            _ => {
                let health = match self.waiting.try_acquire() {
                    Ok(_waits) => Some(self.checks.ask(&latest, self.reports.clone()).await),
                    Err(_) => self.checks.recent(),
                };
                let full = || {
                    too_many(&format!(
                        "{WAITING_CLIENTS} clients wait for such answers already"
                    ))
                };
                health.map_or_else(full, |health| {
                    health_answer(health, latest.health_path(), whole)
                })
            }
        }
    }

    /// What is done on the control socket alone.
    async fn command(&self, path: &[&str], query: Option<&str>) -> Response {
        if path == ["reload"] {
            return reload(&self.commands).await;
        }
        let latest = match path {
            ["workers", _, "restart"] => self.reports.latest(),
            _ => self.reports.fresh(FOR_FIGURES).await,
        };
        let Some(latest) = latest else {
            return stopping();
        };
        match (path, &self.stacks) {
            (["workers", id, "restart"], _) => {
                workers::restart(&self.commands, &latest.report.workers, id).await
            }
            (["profile"], Some(reader)) => stacks::profile(reader, &latest, query).await,
            (["workers", id, _], Some(reader)) => stacks::stacks(reader, &latest, Some(id)).await,
            (_, Some(reader)) => stacks::stacks(reader, &latest, None).await,
            (_, None) => text(StatusCode::NOT_FOUND, "nothing reads stacks here\n"),
        }
    }
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

fn readyz(latest: &Published, whole: bool) -> Response {
    let report = &latest.report;
    if report.ready {
        return text(StatusCode::OK, "ready\n");
    }
    let mut reason = report
        .reason
        .clone()
        .unwrap_or_else(|| "not ready".to_owned());
    if !whole {
        reason = outline::reason(&reason, latest.health_path());
    }
    if let Some(waiting) = report.waiting.filter(|waiting| *waiting > 0) {
        let oldest = report.oldest_wait_seconds.unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(
            reason,
            "; {waiting} requests wait, the oldest for {oldest:.1} s"
        );
    }
    text(StatusCode::SERVICE_UNAVAILABLE, &format!("{reason}\n"))
}
