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

/// Most bytes of a program's output that are taken. The longest is uWSGI's list of options, below 100 KiB.
const MAX_OUTPUT: u64 = 1 << 20;
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
        let pipe = pipe::Receiver::from_owned_fd(ours).map_err(failed)?;
        let mut pipe = Some(pipe.take(MAX_OUTPUT));
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
        // It has not been reaped, so the number of its group is still its own.
        process::signal_group(pid, Signal::SIGKILL);
        if let Exits::Polled = self.0 {
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
mod tests {
    use std::time::Instant;

    use super::*;

    async fn sh(
        programs: &ShortPrograms,
        script: &str,
        timeout: Duration,
    ) -> Result<Finished, RunError> {
        programs
            .run(ShortProgram {
                program: Path::new("/bin/sh"),
                args: &["-c".into(), script.into()],
                env: None,
                cwd: None,
                inherit: Vec::new(),
                user: None,
                sandbox: SandboxRules::default(),
                timeout,
            })
            .await
    }

    #[tokio::test(flavor = "current_thread")]
    async fn output_of_both_streams_and_exit_are_returned() {
        let programs = ShortPrograms::alone();
        let limit = Duration::from_secs(60);
        let finished = sh(&programs, "echo out; echo err >&2; exit 3", limit).await;
        let finished = finished.unwrap();
        assert_eq!(finished.exit, Exit::Code(3));
        assert_eq!(finished.output, "out\nerr\n");
        let missing = ShortProgram {
            program: Path::new("/nonexistent"),
            args: &[],
            env: None,
            cwd: None,
            inherit: Vec::new(),
            user: None,
            sandbox: SandboxRules::default(),
            timeout: limit,
        };
        assert!(matches!(
            programs.run(missing).await,
            Err(RunError::Spawn(_))
        ));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_program_that_hangs_is_killed_with_what_it_started() {
        let programs = ShortPrograms::alone();
        let begun = Instant::now();
        let result = sh(
            &programs,
            "sleep 1000 & exec sleep 1000",
            Duration::from_millis(50),
        )
        .await;
        assert!(
            matches!(result, Err(RunError::TimedOut { .. })),
            "{result:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn output_that_another_process_keeps_open_is_not_waited_for() {
        let limit = Duration::from_secs(60);
        let begun = Instant::now();
        let script = "sleep 100 & echo out; echo $!";
        let finished = sh(&ShortPrograms::alone(), script, limit).await.unwrap();
        assert_eq!(finished.exit, Exit::Code(0));
        let sleeper = finished.output.strip_prefix("out\n").unwrap().trim();
        process::signal(Pid::from_raw(sleeper.parse().unwrap()), Signal::SIGKILL);
        assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_flood_is_cut() {
        let programs = ShortPrograms::alone();
        let finished = sh(&programs, "exec yes", Duration::from_secs(60))
            .await
            .unwrap();
        assert_eq!(finished.output.len() as u64, MAX_OUTPUT);
        assert_eq!(finished.exit, Exit::Signal(Signal::SIGPIPE as i32));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn on_the_loop_the_exit_comes_from_the_reaper() {
        let programs = ShortPrograms::beside_children();
        let run = sh(&programs, "echo $$", Duration::from_secs(60));
        let reaper = async {
            loop {
                let Exits::Loop(running) = &programs.0 else {
                    unreachable!();
                };
                let pid = running.borrow().keys().next().copied();
                if let Some(exit) = pid.and_then(reap::reap_one) {
                    assert!(programs.ended(pid.unwrap(), exit));
                    assert!(!programs.ended(pid.unwrap(), exit));
                    return;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let (finished, ()) = tokio::join!(run, reaper);
        assert_eq!(finished.unwrap().exit, Exit::Code(0));
    }
}
