//! A running nginx as the supervisor sees it: readiness, drain, client connections.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::status_page::{self, NoFigures};
use crate::status::ClientConnections;
use crate::supervise::program::{Answer, NotReady, Proxy, Supervised, WatchdogFinding};
use crate::sys::files::{self, WriteError};

/// nginx answers on its status socket in well below a millisecond; the timeout allows for a machine under heavy load.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two readiness polls; readiness is seen this much late at the most.
const READY_POLL: Duration = Duration::from_millis(10);
/// Pause between two polls whether client connections are left during a drain.
const DRAIN_POLL: Duration = Duration::from_millis(20);
/// Pause between two polls of the watchdog.
const WATCHDOG_POLL: Duration = Duration::from_secs(1);
/// An nginx that has said nothing for so long is hung. One that closes the connection is busy.
const HUNG_AFTER: Duration = Duration::from_secs(20);

/// A running nginx.
#[derive(Clone, Debug)]
pub(super) struct NginxProxy {
    /// The private socket of its status page.
    status: PathBuf,
    /// While this file exists, nginx closes each connection after the response.
    draining: PathBuf,
}

impl NginxProxy {
    pub(super) fn new(status: PathBuf, draining: PathBuf) -> Self {
        Self { status, draining }
    }
}

impl Supervised for NginxProxy {
    fn poll_ready(&self) -> Answer<'_, Result<(), NotReady>> {
        Box::pin(async {
            match status_page::connections(&self.status, TIMEOUT).await {
                // It serves, and has no connection to spare for the question.
                Ok(_) | Err(NoFigures::Busy(_)) => Ok(()),
                Err(silent @ NoFigures::Silent(_)) => Err(NotReady {
                    reason: silent.text(),
                    retry_after: READY_POLL,
                }),
            }
        })
    }

    fn watch(&self, _: Pid, findings: mpsc::Sender<WatchdogFinding>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut answered = Instant::now();
            let mut told = answered;
            loop {
                tokio::time::sleep(WATCHDOG_POLL).await;
                match status_page::connections(&self.status, TIMEOUT).await {
                    Ok(_) | Err(NoFigures::Busy(_)) => {
                        answered = Instant::now();
                        told = answered;
                    }
                    Err(NoFigures::Silent(_)) if told.elapsed() >= HUNG_AFTER => {
                        told = Instant::now();
                        let hung = WatchdogFinding::Hung {
                            idle: answered.elapsed(),
                            requests: None,
                        };
                        // The supervisor's loop may have ended.
                        let _: Result<(), _> = findings.send(hung).await;
                    }
                    Err(NoFigures::Silent(_)) => {}
                }
            }
        })
    }
}

impl Proxy for NginxProxy {
    fn begin_drain(&self) -> Result<(), WriteError> {
        files::write(&self.draining, "", 0o644)
    }

    fn end_drain(&self) -> Result<(), WriteError> {
        files::remove(&self.draining)
    }

    fn drained(&self) -> Answer<'_, bool> {
        Box::pin(async {
            loop {
                match status_page::connections(&self.status, TIMEOUT).await {
                    Ok(connections) if connections == ClientConnections::default() => return true,
                    Ok(_) | Err(NoFigures::Busy(_)) => tokio::time::sleep(DRAIN_POLL).await,
                    Err(NoFigures::Silent(_)) => return false,
                }
            }
        })
    }

    fn clients(&self) -> Answer<'_, Option<ClientConnections>> {
        Box::pin(async { status_page::connections(&self.status, TIMEOUT).await.ok() })
    }
}
