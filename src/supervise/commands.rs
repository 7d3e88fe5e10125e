//! Commands and queries from the rest of the launcher to the loop that owns the children.

use std::rc::Rc;

use nix::unistd::Pid;
use tokio::sync::{mpsc, oneshot};

use super::program::{Application, Proxy};
use crate::reload_answer::ReloadAnswer;
use crate::status::{ServicePhase, StatusReport};

/// A command or query, with the channel for its answer.
#[derive(Debug)]
pub(crate) enum LoopCommand {
    /// Query: the state of the service.
    Report(oneshot::Sender<Snapshot>),
    /// Command: reload configuration and code.
    Reload(oneshot::Sender<ReloadAnswer>),
    /// Command: count this many clients as disconnected because they were too slow.
    CountTooSlow(u64),
    /// Command: kill this worker process of the application. The answer is false when it is not one.
    RestartWorker(Pid, oneshot::Sender<bool>),
}

/// The loop's report, and the programs that can be polled for the rest of the status.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) report: StatusReport,
    /// Whether the admin address may answer with the whole report.
    pub(crate) admin_details: bool,
    /// The application that serves.
    pub(crate) application: Option<Rc<dyn Application>>,
    /// The proxy that serves.
    pub(crate) proxy: Option<Rc<dyn Proxy>>,
    /// Applications of old generations that are finishing their requests.
    pub(crate) retiring: Vec<Rc<dyn Application>>,
}

impl Snapshot {
    /// The loop knows that each child was ready; whether one of the application's processes serves now, the application is
    /// asked.
    pub(crate) async fn judged(mut self) -> Self {
        if let (true, Some(application)) = (self.report.ready, &self.application)
            && let Err(reason) = application.serves().await
        {
            self.report.phase = ServicePhase::Degraded;
            self.report.ready = false;
            self.report.reason = Some(reason);
        }
        self
    }
}

/// Sends commands to the loop. Each answer is none when the loop has ended.
#[derive(Clone, Debug)]
pub(crate) struct Commands(mpsc::Sender<LoopCommand>);

/// Capacity of the channel. The loop handles commands faster than clients send them.
const QUEUE: usize = 64;

/// The two ends of the command channel.
pub(crate) fn channel() -> (Commands, mpsc::Receiver<LoopCommand>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Commands(sender), receiver)
}

impl Commands {
    /// Requests a reload and waits for its result.
    pub(crate) async fn reload(&self) -> Option<ReloadAnswer> {
        self.ask(LoopCommand::Reload).await
    }

    /// Kills a worker. False when the process is not a worker of the application, or the loop has ended.
    pub(crate) async fn restart_worker(&self, pid: Pid) -> bool {
        let restart = |answer| LoopCommand::RestartWorker(pid, answer);
        self.ask(restart).await.unwrap_or(false)
    }

    /// Counts clients that were disconnected because they were too slow.
    pub(crate) async fn count_too_slow(&self, clients: u64) {
        // The loop may have ended.
        let _: Result<(), _> = self.0.send(LoopCommand::CountTooSlow(clients)).await;
    }

    /// Queries the state of the service.
    pub(crate) async fn report(&self) -> Option<Snapshot> {
        Some(self.ask(LoopCommand::Report).await?.judged().await)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> LoopCommand) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(command(sender)).await.ok()?;
        receiver.await.ok()
    }
}
