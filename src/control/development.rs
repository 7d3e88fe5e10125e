//! What a launcher answers in development, on its control socket: whether flask takes connections.
//!
//! A request to flask would stand in its log each time, and would wait behind the one request that it serves at a time: a
//! debugger at a breakpoint is no failure. So it is only connected to, which the kernel answers as long as flask listens,
//! also while its code is broken: that stands on the terminal, and the next save may mend it.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use nix::unistd::Pid;
use serde::Serialize;
use tokio::net::TcpStream;

use super::answers::{json, not_allowed, text};
use super::callers::{self, Rights};
use crate::exit;
use crate::http::Response;
use crate::reload_answer::{ReloadAnswer, ReloadOutcome};
use crate::status::{
    ChildPhase, ChildRole, ChildStatus, HealthReport, PlanSummary, ServicePhase, StatusReport,
};

/// How long a connection may take: to the same machine it takes no time.
const CONNECT: Duration = Duration::from_millis(500);
const NO_RELOAD: &str = "this is development: flask loads a file again when it changes";
const NO_WORKERS: &str = "this is development: there are no workers to look into; the traceback is in the browser, and breakpoint() stops where it is called\n";

/// Flask as the launcher has started it.
#[derive(Debug)]
pub(crate) struct DevelopmentSite {
    /// The service's name.
    pub(crate) name: String,
    pub(crate) config_file: Option<PathBuf>,
    /// Where flask listens; none when only its own arguments say so.
    pub(crate) address: Option<SocketAddr>,
    /// When the launcher started.
    pub(crate) started: Instant,
    /// The same as RFC 3339.
    pub(crate) started_at: String,
    /// Flask's main process, and whether it was asked to stop.
    pub(crate) flask: Cell<Option<Pid>>,
    pub(crate) is_stopping: Cell<bool>,
}

/// As in production.
#[derive(Serialize)]
struct RefusedReload {
    #[serde(flatten)]
    answer: ReloadAnswer,
    code: u8,
}

impl DevelopmentSite {
    /// Answers one request; always with a response, because errors are responses too.
    pub(crate) async fn answer(&self, request: &Parts) -> Response {
        if let Some((status, why)) =
            callers::refusal(Rights::Control, &request.uri, &request.headers)
        {
            return text(status, &why);
        }
        let path = request.uri.path();
        let command =
            ["/reload", "/stacks", "/profile"].contains(&path) || path.starts_with("/workers/");
        match request.method {
            Method::POST if path == "/reload" => json(StatusCode::CONFLICT, &refused_reload()),
            Method::POST if path.ends_with("/stacks") || path == "/profile" => {
                text(StatusCode::CONFLICT, NO_WORKERS)
            }
            Method::POST if command => text(StatusCode::CONFLICT, &format!("{NO_RELOAD}\n")),
            Method::GET | Method::HEAD if command => not_allowed("POST"),
            Method::GET | Method::HEAD => self.query(path).await,
            _ => not_allowed("GET, HEAD"),
        }
    }

    async fn query(&self, path: &str) -> Response {
        match path {
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match self.why_not_ready().await {
                None => text(StatusCode::OK, "ready\n"),
                Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{why}\n")),
            },
            // Flask may start at any moment: whoever would replace the container would only disturb.
            "/healthcheck" => json(
                StatusCode::OK,
                &match self.why_not_ready().await {
                    None => HealthReport {
                        level: 0,
                        reason: "flask runs (development)".to_owned(),
                    },
                    Some(reason) => HealthReport { level: 1, reason },
                },
            ),
            "/status" => json(StatusCode::OK, &self.report(self.why_not_ready().await)),
            _ => text(
                StatusCode::NOT_FOUND,
                "not found; in development there are /livez, /readyz, /healthcheck and /status\n",
            ),
        }
    }

    /// None: flask takes connections, or nobody knows where it listens.
    async fn why_not_ready(&self) -> Option<String> {
        if self.is_stopping.get() {
            return Some("flask is stopping".to_owned());
        }
        let address = reachable(self.address?);
        let connected = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
        match connected {
            Ok(Ok(_)) => None,
            Ok(Err(_)) | Err(_) => Some(format!("flask takes no connections on {address} yet")),
        }
    }

    fn report(&self, reason: Option<String>) -> StatusReport {
        let ready = reason.is_none();
        let uptime = self.started.elapsed().as_secs_f64();
        let flask = ChildStatus {
            name: "flask".to_owned(),
            role: ChildRole::Serving,
            state: if ready {
                ChildPhase::Running
            } else {
                ChildPhase::Starting
            },
            pid: self.flask.get().map(Pid::as_raw),
            since_seconds: Some(uptime),
            restarts: 0,
            last_exit: None,
        };
        StatusReport {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            phase: match (self.is_stopping.get(), ready) {
                (true, _) => ServicePhase::Stopping,
                (false, true) => ServicePhase::Ready,
                (false, false) => ServicePhase::Starting,
            },
            phase_seconds: uptime,
            ts: jiff::Timestamp::now().to_string(),
            ready,
            reason,
            pid: std::process::id(),
            started_at: self.started_at.clone(),
            uptime_seconds: uptime,
            generation: 1,
            config_file: self.config_file.clone(),
            listen: self.address.iter().map(ToString::to_string).collect(),
            // Flask serves one request at a time here (--without-threads).
            plan: PlanSummary {
                slots: 1,
                processes: 1,
                threads: 1,
                queue: 0,
                nginx_workers: 0,
                request_timeout_seconds: None,
            },
            children: vec![flask],
            warnings: vec![
                "this is development: no nginx, no uWSGI, one request at a time".to_owned(),
            ],
            ..StatusReport::unknown()
        }
    }
}

fn refused_reload() -> RefusedReload {
    let answer = ReloadAnswer {
        outcome: ReloadOutcome::Refused,
        text: NO_RELOAD.to_owned(),
    };
    RefusedReload {
        code: exit::reload_code(answer.outcome),
        answer,
    }
}

/// The address by which this machine reaches a socket that listens on all of its addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(address: SocketAddr) -> DevelopmentSite {
        DevelopmentSite {
            name: "rum".to_owned(),
            config_file: None,
            address: Some(address),
            started: Instant::now(),
            started_at: String::new(),
            flask: Cell::new(Some(Pid::from_raw(7))),
            is_stopping: Cell::new(false),
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn flask_is_ready_when_it_listens() {
        let listener = std::net::TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let site = site(listener.local_addr().unwrap());
        assert_eq!(site.why_not_ready().await, None);
        let report = site.report(None);
        assert_eq!(
            (report.phase, report.children[0].pid),
            (ServicePhase::Ready, Some(7))
        );
        assert_eq!(site.query("/healthcheck").await.status(), StatusCode::OK);
        drop(listener);
        let why = site.why_not_ready().await.unwrap();
        assert!(
            why.contains("127.0.0.1") && why.contains("no connections"),
            "{why}"
        );
        assert_eq!(
            site.query("/readyz").await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(site.query("/healthcheck").await.status(), StatusCode::OK);
        assert_eq!(site.query("/metrics").await.status(), StatusCode::NOT_FOUND);
        site.is_stopping.set(true);
        assert_eq!(
            site.why_not_ready().await.as_deref(),
            Some("flask is stopping")
        );
    }
}
