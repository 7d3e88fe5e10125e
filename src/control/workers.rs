//! The workers that a path names, and the end of one.

use hyper::StatusCode;
use nix::unistd::Pid;

use super::answers::{stopping, text};
use crate::http::Response;
use crate::status::{WorkerState, WorkerStatus};
use crate::supervise::commands::Commands;

/// The worker with this number that has a process, or what is answered instead.
pub(super) fn find<'a>(
    workers: &'a [WorkerStatus],
    id: &str,
) -> Result<&'a WorkerStatus, Box<Response>> {
    let found = workers
        .iter()
        .find(|worker| worker.id.to_string() == id && worker.pid > 0);
    let (status, body) = match found {
        Some(worker) if worker.state == WorkerState::Dead => (
            StatusCode::CONFLICT,
            format!("worker {id} (pid {}) is dead already\n", worker.pid),
        ),
        Some(worker) => return Ok(worker),
        None if workers.is_empty() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "uWSGI does not answer\n".to_owned(),
        ),
        None => {
            let known: Vec<String> = workers.iter().map(|worker| worker.id.to_string()).collect();
            let known = known.join(", ");
            (
                StatusCode::NOT_FOUND,
                format!("there is no worker {id}; there are {known}\n"),
            )
        }
    };
    Err(Box::new(text(status, &body)))
}

/// Ends a worker; uWSGI replaces it.
pub(super) async fn restart(commands: &Commands, workers: &[WorkerStatus], id: &str) -> Response {
    let worker = match find(workers, id) {
        Ok(worker) => worker,
        Err(response) => return *response,
    };
    if commands.restart_worker(Pid::from_raw(worker.pid)).await {
        let body = format!("worker {id} (pid {}) is ended and replaced\n", worker.pid);
        text(StatusCode::OK, &body)
    } else {
        stopping()
    }
}
