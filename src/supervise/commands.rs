//! Commands from the rest of the launcher to the loop that owns the children, and what the loop tells of itself.

use std::collections::BTreeMap;
use std::rc::Rc;

use nix::unistd::Pid;
use tokio::sync::{mpsc, oneshot, watch};

use super::program::{Application, Proxy};
use super::uptime::Uptime;
use crate::reload_answer::ReloadAnswer;
use crate::status::StatusReport;

/// A command, with the channel for its answer.
#[derive(Debug)]
pub(crate) enum LoopCommand {
    /// Reload configuration and code.
    Reload(oneshot::Sender<ReloadAnswer>),
    /// Count this many clients as disconnected because they were too slow.
    CountTooSlow(u64),
    /// Kill this worker process of the application. The answer is false when it is not one.
    RestartWorker(Pid, oneshot::Sender<bool>),
}

/// What the loop knows, and the programs that know the rest. A new one is published after each event.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Without what only the programs, the log and the kernel know.
    pub(crate) report: StatusReport,
    /// When it was made.
    pub(crate) at: Uptime,
    /// Whether the admin address may answer with the whole report.
    pub(crate) admin_details: bool,
    /// The application that serves.
    pub(crate) application: Option<Rc<dyn Application>>,
    /// The proxy that serves.
    pub(crate) proxy: Option<Rc<dyn Proxy>>,
    /// Applications of old generations that are finishing their requests.
    pub(crate) retiring: Vec<Rc<dyn Application>>,
    /// How many processes of each worker have ended, by cause.
    pub(crate) exits_by_worker: BTreeMap<u32, BTreeMap<String, u64>>,
}

/// Where the latest snapshot is. The channel is closed when the loop has ended.
pub(crate) type Snapshots = watch::Receiver<Snapshot>;

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

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> LoopCommand) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(command(sender)).await.ok()?;
        receiver.await.ok()
    }
}
