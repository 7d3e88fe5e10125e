//! A running nginx as the supervisor sees it: readiness, drain, in-flight requests.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::status_page::{self, Connections};
use crate::supervise::program::{
    Answer, NotReady, Proxy, ServingProxy, Supervised, WatchdogFinding,
};
use crate::sys::files::{self, WriteError};

/// nginx answers on its status socket in well below a millisecond; the timeout allows for a machine under heavy load.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two readiness polls; readiness is seen this much late at the most.
const READY_POLL: Duration = Duration::from_millis(10);
/// Pause between two polls whether client connections are left during a drain.
const DRAIN_POLL: Duration = Duration::from_millis(20);
/// Pause between two polls of the watchdog.
const WATCHDOG_POLL: Duration = Duration::from_secs(1);
/// An nginx whose status page has not answered for so long is hung.
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
            let connections = status_page::connections(&self.status, TIMEOUT).await;
            connections.map(|_| ()).map_err(|reason| NotReady {
                reason,
                retry_after: READY_POLL,
            })
        })
    }

    fn watch(
        &self,
        _: Pid,
        _: ServingProxy,
        findings: mpsc::Sender<WatchdogFinding>,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut answered = Instant::now();
            loop {
                tokio::time::sleep(WATCHDOG_POLL).await;
                match status_page::connections(&self.status, TIMEOUT).await {
                    Ok(_) => answered = Instant::now(),
                    Err(_) if answered.elapsed() >= HUNG_AFTER => break,
                    Err(_) => {}
                }
            }
            let hung = WatchdogFinding::Hung {
                idle: answered.elapsed(),
                requests: None,
            };
            // The supervisor's loop may have ended.
            let _: Result<(), _> = findings.send(hung).await;
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
                    Ok(connections) if connections == Connections::default() => return true,
                    Ok(_) => tokio::time::sleep(DRAIN_POLL).await,
                    Err(_) => return false,
                }
            }
        })
    }

    fn requests(&self) -> Answer<'_, Option<u64>> {
        Box::pin(async {
            let connections = status_page::connections(&self.status, TIMEOUT).await;
            connections.ok().map(|connections| connections.writing)
        })
    }
}
