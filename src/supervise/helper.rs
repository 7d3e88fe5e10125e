//! Short programs that are run beside the children, such as `nginx -t`: their end is told by the same reaper.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::sync::oneshot;

use crate::sys::process::{self, Spawn, SpawnError};
use crate::sys::reap::Exit;

/// Runs programs and waits for them without a second wait(2).
#[derive(Clone, Debug, Default)]
pub struct Helpers(Rc<RefCell<HashMap<Pid, oneshot::Sender<Exit>>>>);

impl Helpers {
    /// Runs a program to its end; none when it took longer than that and was killed, or the loop ended first.
    pub async fn run(
        &self,
        spawn: Spawn<'_>,
        patience: Duration,
    ) -> Result<Option<Exit>, SpawnError> {
        let (sender, receiver) = oneshot::channel();
        let pid = process::spawn(spawn)?;
        self.0.borrow_mut().insert(pid, sender);
        let ended = tokio::time::timeout(patience, receiver).await;
        if ended.is_err() {
            process::signal_group(pid, Signal::SIGKILL);
        }
        Ok(ended.ok().and_then(Result::ok))
    }

    /// Tells who waits for a process; false when nobody does.
    pub(super) fn ended(&self, pid: Pid, exit: Exit) -> bool {
        match self.0.borrow_mut().remove(&pid) {
            Some(waiting) => {
                // Whoever waited may have been dropped with the reload that it was for.
                let _: Result<(), Exit> = waiting.send(exit);
                true
            }
            None => false,
        }
    }
}
