//! What the rest of the launcher may ask of the loop that owns the children.

use std::rc::Rc;

use nix::unistd::Pid;
use tokio::sync::{mpsc, oneshot};

use super::program::{Application, Proxy};
use crate::reload_answer::ReloadAnswer;
use crate::status::StatusReport;

/// A question or a command, with the channel for the answer.
#[derive(Debug)]
pub(crate) enum LoopCommand {
    /// How is the service?
    Report(oneshot::Sender<Snapshot>),
    /// Take on new configuration and code.
    Reload(oneshot::Sender<ReloadAnswer>),
    /// Kill this worker of the application; the answer is whether it is one.
    RestartWorker(Pid, oneshot::Sender<bool>),
}

/// The loop's own view, and the programs that can be asked for more.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) report: StatusReport,
    /// The application that serves.
    pub(crate) application: Option<Rc<dyn Application>>,
    /// The proxy that serves.
    pub(crate) proxy: Option<Rc<dyn Proxy>>,
    /// Applications of old generations that finish their requests.
    pub(crate) retiring: Vec<Rc<dyn Application>>,
}

/// Sends commands to the loop. Each answer is none when the loop has ended.
#[derive(Clone, Debug)]
pub(crate) struct Commands(mpsc::Sender<LoopCommand>);

/// Commands that may wait; the loop takes them faster than anyone sends them.
const QUEUE: usize = 64;

/// The two ends of the command channel.
pub(crate) fn channel() -> (Commands, mpsc::Receiver<LoopCommand>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Commands(sender), receiver)
}

impl Commands {
    /// Asks for a reload, waits for its result.
    pub(crate) async fn reload(&self) -> Option<ReloadAnswer> {
        self.ask(LoopCommand::Reload).await
    }

    /// Asks for the end of a worker; whether it was one of the application's processes.
    pub(crate) async fn restart_worker(&self, pid: Pid) -> bool {
        let restart = |answer| LoopCommand::RestartWorker(pid, answer);
        self.ask(restart).await.unwrap_or(false)
    }

    /// Asks for the loop's view.
    pub(crate) async fn report(&self) -> Option<Snapshot> {
        self.ask(LoopCommand::Report).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> LoopCommand) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(command(sender)).await.ok()?;
        receiver.await.ok()
    }
}
