//! Short programs, such as `nginx -t` or `uwsgi --version`, each run within a time limit.
//!
//! While children are supervised, only the loop may reap processes (`sys::reap`), so it passes on the exits of
//! short programs (`ShortPrograms::ended`). Before the loop runs, and in commands without a loop, this module reaps
//! them itself. In both cases a hung program blocks nothing: at its timeout it is killed with its process group, and
//! its output is limited.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, Take};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::credentials::Credentials;
use super::process::{self, Spawn, SpawnError};
use super::reap::{self, Exit};
use super::sandbox::{Sandbox, SandboxRules};

/// Most bytes of the output of an ordinary program. The longest is uWSGI's list of options, below 100 KiB.
pub(crate) const MAX_OUTPUT: u64 = 1 << 20;
/// Pause between two polls whether a program has ended, where there is no loop to report it.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// How long the output of a program that has ended may still come.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// A program to be run to its end.
#[derive(Debug)]
pub(crate) struct ShortProgram<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: &'a [OsString],
    /// Its complete environment; none: the launcher's own.
    pub(crate) env: Option<Vec<(OsString, OsString)>>,
    /// Its working folder; none: the launcher's own.
    pub(crate) cwd: Option<&'a Path>,
    /// Descriptors that it inherits, under the same numbers.
    pub(crate) inherit: Vec<BorrowedFd<'a>>,
    /// The user that it runs as; none: the launcher's own.
    pub(crate) user: Option<&'a Credentials>,
    /// What confines it; the default: nothing.
    pub(crate) sandbox: SandboxRules,
    pub(crate) timeout: Duration,
    /// Most bytes of its output that are taken; one that writes more is ended.
    pub(crate) max_output: u64,
}

/// A program that has ended within its time limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) exit: Exit,
    /// What it wrote to stdout and stderr, up to the limit; bytes that are not UTF-8 are replaced.
    pub(crate) output: String,
}

/// Why a program was not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// It could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It was killed at its timeout.
    #[error("it did not end within {} s", limit.as_secs())]
    TimedOut {
        limit: Duration,
        /// What it wrote until then.
        output: String,
    },
}

/// Where the exits of short programs come from.
#[derive(Clone, Debug)]
enum Exits {
    /// The loop reaps all processes, and passes on the exit of each of these.
    Loop(Rc<RefCell<HashMap<Pid, oneshot::Sender<Exit>>>>),
    /// There is no loop: each program is reaped here.
    Polled,
}

/// Runs short programs, each within its time limit.
#[derive(Clone, Debug)]
pub struct ShortPrograms(Exits);

impl ShortPrograms {
    /// For use where no children are supervised and no loop reaps processes.
    pub fn alone() -> Self {
        Self(Exits::Polled)
    }

    /// For use on the loop that reaps all children: each exit must be offered to [`ShortPrograms::ended`].
    pub(crate) fn beside_children() -> Self {
        Self(Exits::Loop(Rc::default()))
    }

    /// Takes the exit of a process; false when it was none of the short programs.
    pub(crate) fn ended(&self, pid: Pid, exit: Exit) -> bool {
        let Exits::Loop(running) = &self.0 else {
            return false;
        };
        match running.borrow_mut().remove(&pid) {
            Some(waiting) => {
                // The reload that it was run for may have been given up.
                let _: Result<(), Exit> = waiting.send(exit);
                true
            }
            None => false,
        }
    }

    /// Kills the programs that still run, with their process groups: the loop ends, and nothing waits for them any more.
    pub(crate) fn kill_all(&self) {
        if let Exits::Loop(running) = &self.0 {
            for pid in running.borrow().keys() {
                process::signal_group(*pid, Signal::SIGKILL);
            }
        }
    }

    /// Runs a program to its end. Must be called on the main thread, in a tokio runtime.
    pub(crate) async fn run(&self, program: ShortProgram<'_>) -> Result<Finished, RunError> {
        let failed = |source| SpawnError {
            program: program.program.to_owned(),
            source,
        };
        let (ours, theirs) =
            nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|error| failed(error.into()))?;
        if let Some(user) = program.user {
            user.give(&theirs).map_err(|error| failed(error.into()))?;
        }
        let sandbox = Sandbox::prepare(&program.sandbox).map_err(failed)?;
        let pid = process::spawn(Spawn {
            program: program.program,
            args: program.args,
            env: program.env,
            cwd: program.cwd,
            output: Some((theirs.as_fd(), theirs.as_fd())),
            inherit: program.inherit,
            user: program.user,
            batch: false,
            no_new_privs: true,
            death_signal: Signal::SIGKILL,
            sandbox: Some(sandbox),
        })?;
        drop(theirs);
        let mut exit = std::pin::pin!(self.exit_of(pid));
        let _unwanted = Unwanted {
            pid,
            exits: &self.0,
        };
        let pipe = pipe::Receiver::from_owned_fd(ours).map_err(failed)?;
        let mut pipe = Some(pipe.take(program.max_output));
        let mut bytes = Vec::new();
        let ended = until_exit(&mut pipe, &mut bytes, exit.as_mut());
        if let Ok(exit) = tokio::time::timeout(program.timeout, ended).await {
            if let Some(pipe) = &mut pipe {
                // A process that it has started may keep the pipe open.
                let _ = tokio::time::timeout(LAST_OUTPUT, read_all(pipe, &mut bytes)).await;
            }
            let output = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Finished { exit, output });
        }
        if let Exits::Polled = self.0 {
            // It has not been reaped, so the number of its group is still its own.
            process::signal_group(pid, Signal::SIGKILL);
            // No process can ignore SIGKILL; the limit is for one that the kernel holds.
            let _ = tokio::time::timeout(LAST_OUTPUT, exit).await;
        }
        Err(RunError::TimedOut {
            limit: program.timeout,
            output: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// Waits for the end of a process that was just started.
    fn exit_of(&self, pid: Pid) -> impl Future<Output = Exit> + use<> {
        let receiver = match &self.0 {
            Exits::Loop(running) => {
                let (sender, receiver) = oneshot::channel();
                running.borrow_mut().insert(pid, sender);
                Some(receiver)
            }
            Exits::Polled => None,
        };
        async move {
            match receiver {
                Some(receiver) => match receiver.await {
                    Ok(exit) => exit,
                    // The loop has ended, and this task ends with it.
                    Err(_) => std::future::pending().await,
                },
                None => poll_exit(pid).await,
            }
        }
    }
}

/// Kills a program that still runs when nobody waits for it any more, such as for a client that has left.
struct Unwanted<'a> {
    pid: Pid,
    exits: &'a Exits,
}

impl Drop for Unwanted<'_> {
    fn drop(&mut self) {
        // What is in the map has not been reaped, so its number is still its own.
        if let Exits::Loop(running) = self.exits
            && running.borrow().contains_key(&self.pid)
        {
            process::signal_group(self.pid, Signal::SIGKILL);
        }
    }
}

async fn poll_exit(pid: Pid) -> Exit {
    loop {
        if let Some(exit) = reap::reap_one(pid) {
            return exit;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Reads until the program has ended. `pipe` becomes none when all is read, or as much as is taken: a program that writes
/// more ends by SIGPIPE instead of waiting.
async fn until_exit(
    pipe: &mut Option<Take<pipe::Receiver>>,
    bytes: &mut Vec<u8>,
    mut exit: Pin<&mut impl Future<Output = Exit>>,
) -> Exit {
    if let Some(open) = pipe {
        tokio::select! {
            () = read_all(open, bytes) => {}
            exit = exit.as_mut() => return exit,
        }
    }
    *pipe = None;
    exit.await
}

/// Reads to the end. Losing the future loses no bytes.
async fn read_all(pipe: &mut Take<pipe::Receiver>, bytes: &mut Vec<u8>) {
    // An error is an end as well: what was read until then is what there is.
    while pipe.read_buf(bytes).await.is_ok_and(|count| count > 0) {}
}

#[cfg(test)]
#[path = "short_programs_tests.rs"]
mod tests;
