//! Short programs that are run beside the children, such as `nginx -t`: their end is told by the same reaper.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use nix::unistd::Pid;
use tokio::sync::oneshot;

use crate::sys::process::{self, Spawn, SpawnError};
use crate::sys::reap::Exit;

/// Runs programs and waits for them without a second wait(2).
#[derive(Clone, Debug, Default)]
pub struct Helpers(Rc<RefCell<HashMap<Pid, oneshot::Sender<Exit>>>>);

impl Helpers {
    /// Runs a program to its end; none when the loop ended first.
    pub async fn run(&self, spawn: Spawn<'_>) -> Result<Option<Exit>, SpawnError> {
        let (sender, receiver) = oneshot::channel();
        let pid = process::spawn(spawn)?;
        self.0.borrow_mut().insert(pid, sender);
        Ok(receiver.await.ok())
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
