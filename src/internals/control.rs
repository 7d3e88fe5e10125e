//! The launcher's HTTP interface without a launcher: what a client's bytes make it answer and do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::Receiver;

use crate::control::callers::Rights;
use crate::control::health::HealthChecks;
use crate::control::routes::Site;
use crate::http::server;
use crate::reload_answer::{ReloadAnswer, ReloadOutcome};
use crate::status::{ProcessFigures, StatusReport, WorkerState, WorkerStatus};
use crate::supervise::commands::{self, LoopCommand};
use crate::telemetry::reports::Reports;

/// What one client has got, and what it has made the launcher do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Everything that the launcher has sent.
    pub answer: Vec<u8>,
    /// The commands that came to the launcher's loop, in their order.
    pub commands: Vec<ClientCommand>,
}

/// A command of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCommand {
    /// Reload configuration and code.
    Reload,
    /// End this worker process.
    RestartWorker(i32),
}

/// The processes of the workers 1 and 2; the second is dead.
pub const WORKERS: [i32; 2] = [4001, 4002];

/// How often all sides get their turn before the client closes: more than any answer needs. The server takes a client
/// that closes for one that has left.
const TURNS: usize = 100;

/// Lets a client send these bytes, on the control socket or on the admin address, and close its side when nothing happens
/// any more. The service is ready, its status is `status` (JSON), and a reload succeeds.
pub async fn exchange(status: &str, bytes: &[u8], control_socket: bool) -> io::Result<Exchange> {
    let mut report: StatusReport = serde_json::from_str(status)?;
    let worker = |(id, pid, state)| WorkerStatus {
        id,
        pid,
        state,
        requests: 0,
        serving: Vec::new(),
        process: ProcessFigures::default(),
        exits: BTreeMap::new(),
    };
    let [first, second] = WORKERS;
    let all = [
        (1, first, WorkerState::Idle),
        (2, second, WorkerState::Dead),
    ];
    report.workers = all.map(worker).into();
    let rights = if control_socket {
        Rights::Control
    } else {
        Rights::ReadOnly(SocketAddr::from(([127, 0, 0, 1], 9180)))
    };
    let (commands, receiver) = commands::channel();
    let (_sampler, reports) = Reports::fixed(report);
    // Room for both directions, so that neither side waits for the other.
    let (mut client, launcher) = tokio::io::duplex(1024 * 1024 + bytes.len());
    let asking = async {
        client.write_all(bytes).await?;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        client.shutdown().await?;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    // It owns the only sender, so that the loop ends with it.
    let site = Rc::new(Site::new(
        commands,
        reports,
        rights,
        Rc::new(HealthChecks::default()),
    ));
    let serving = server::serve_stream(launcher, move |request| {
        let (site, request) = (Rc::clone(&site), request.into_parts().0);
        async move { site.answer(&request).await }
    });
    let done = RefCell::default();
    let (answer, (), ()) = tokio::join!(asking, serving, obey(receiver, &done));
    Ok(Exchange {
        answer: answer?,
        commands: done.into_inner(),
    })
}

/// In place of the supervisor's loop.
async fn obey(mut receiver: Receiver<LoopCommand>, done: &RefCell<Vec<ClientCommand>>) {
    while let Some(command) = receiver.recv().await {
        // A client may have left before its answer.
        let _: Result<(), ()> = match command {
            LoopCommand::Reload(answer) => {
                done.borrow_mut().push(ClientCommand::Reload);
                let reloaded = ReloadAnswer {
                    outcome: ReloadOutcome::Committed,
                    text: "reloaded".to_owned(),
                };
                answer.send(reloaded).map_err(drop)
            }
            LoopCommand::RestartWorker(pid, answer) => {
                done.borrow_mut()
                    .push(ClientCommand::RestartWorker(pid.as_raw()));
                answer.send(true).map_err(drop)
            }
            LoopCommand::CountTooSlow(_) => Ok(()),
        };
    }
}
