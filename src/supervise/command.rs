//! What others may ask of the loop that owns the children.

use std::path::PathBuf;

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::health::probe::HealthPath;
use crate::health::stats;
use crate::status::StatusReport;

/// A question or a wish, with the way for the answer.
#[derive(Debug)]
pub enum Command {
    /// How is it?
    Report(oneshot::Sender<Snapshot>),
    /// Take on new configuration and code.
    Reload(oneshot::Sender<ReloadAnswer>),
    /// End this worker of the application; the answer is its process.
    RestartWorker(Pid, oneshot::Sender<bool>),
}

/// How a reload ended, for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadAnswer {
    /// 0 done, 75 rolled back or refused, 78 wrong configuration.
    pub code: u8,
    /// In words; several lines when there is a reason to tell.
    pub text: String,
}

/// The loop's own view, and where more can be asked.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The view.
    pub report: StatusReport,
    /// uWSGI's stats socket.
    pub stats: Option<stats::Socket>,
    /// nginx's own socket.
    pub proxy: Option<PathBuf>,
    /// The path that has to answer.
    pub health: Option<HealthPath>,
    /// Stats sockets of old generations that finish what they have.
    pub retiring: Vec<stats::Socket>,
}

/// Sends commands to the loop.
#[derive(Clone, Debug)]
pub struct Commands(mpsc::Sender<Command>);

/// Commands that may wait; the loop takes them faster than anyone sends them.
const QUEUE: usize = 64;

/// A pair of ends.
pub fn channel() -> (Commands, mpsc::Receiver<Command>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Commands(sender), receiver)
}

impl Commands {
    /// Asks for a reload, gives its outcome; none when the loop has ended.
    pub async fn reload(&self) -> Option<ReloadAnswer> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(Command::Reload(sender)).await.ok()?;
        receiver.await.ok()
    }

    /// Asks for the end of a worker; whether it was one of the application's processes.
    pub async fn restart_worker(&self, pid: Pid) -> bool {
        let (sender, receiver) = oneshot::channel();
        let sent = self.0.send(Command::RestartWorker(pid, sender)).await;
        sent.is_ok() && receiver.await.unwrap_or(false)
    }

    /// Asks for the view; none when the loop has ended.
    pub async fn report(&self) -> Option<Snapshot> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(Command::Report(sender)).await.ok()?;
        receiver.await.ok()
    }
}
