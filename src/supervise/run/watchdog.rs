//! Runs the watchdog of a child, forwards its findings to the loop, and logs them.

use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::event::{EventSender, LoopEvent};
use crate::supervise::machine::identity::ChildId;
use crate::supervise::program::{Program, WatchdogFinding, Wish};

/// Capacity of the channel of findings; the watchdog waits when it is full.
const QUEUE: usize = 8;

/// Watches a process until the task is aborted.
pub(super) async fn watch(id: ChildId, pid: Pid, program: Program, events: EventSender) {
    let (sender, mut findings) = mpsc::channel(QUEUE);
    let watching = program.supervised().watch(pid, sender);
    let forwarding = async {
        while let Some(finding) = findings.recv().await {
            events.send(LoopEvent::Found(id, pid, finding)).await;
        }
    };
    tokio::join!(watching, forwarding);
}

/// Logs a finding: a process does not do what it is there for.
pub(super) fn log(child: &str, finding: &WatchdogFinding) {
    match finding {
        WatchdogFinding::Hung { idle, requests } => tracing::error!(
            child,
            seconds = idle.as_secs(),
            requests = requests.as_deref().unwrap_or("none that is known"),
            "It is hung: it has made no progress for this time."
        ),
        // The machine tells when it acts on the one; the other is counted, and logged if the kernel is to blame.
        WatchdogFinding::Damaged | WatchdogFinding::WorkerEnded { .. } => {}
        WatchdogFinding::WorkerLost { worker, pid, .. } => tracing::warn!(
            child,
            worker,
            pid = pid.as_raw(),
            "Worker {worker} is dead, and {child} has not replaced it: its main process is stopped or hangs, or ignores the ends of its processes (SIGCHLD)."
        ),
        WatchdogFinding::Wish(Wish::Reload) => {
            tracing::info!(child, "The application asks for a reload.");
        }
        WatchdogFinding::Wish(Wish::Stop) => {
            tracing::warn!(child, "The application asks for the end of the service.");
        }
        WatchdogFinding::Overdue {
            worker,
            pid,
            request,
        } => tracing::error!(
            child,
            worker,
            pid = pid.as_raw(),
            request_id = request.request_id,
            method = request.method,
            path = request.path,
            age_seconds = request.seconds,
            "A request could not be interrupted; its worker is killed."
        ),
    }
}
