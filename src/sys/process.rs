//! Starts children and signals them.
//!
//! A child gets its own process group, so that its survivors can be killed together; no blocked and no ignored signals
//! (both would be inherited); /dev/null as stdin (uWSGI would serve on a socket there); only the descriptors listed for
//! it; its user; and a parent-death signal. The latter is bound to the launcher's *thread* (prctl(2)), so children are
//! started on the main thread, which lives as long as the launcher. It is cleared when a process changes its user, so
//! it is set after that. `sys::child_setup` has the steps.
#![expect(unsafe_code, reason = "pre_exec has no safe form")]

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::child_setup::ChildSetup;
use super::credentials::Credentials;
use super::rights;
use super::sandbox::Sandbox;

/// How to start a child.
#[derive(Debug)]
pub(crate) struct Spawn<'a> {
    /// Path of the program.
    pub program: &'a Path,
    /// Arguments without the program's name.
    pub args: &'a [OsString],
    /// The complete environment, nothing is inherited; none: the launcher's own.
    pub env: Option<Vec<(OsString, OsString)>>,
    /// Working directory; none: the launcher's own.
    pub cwd: Option<&'a Path>,
    /// Stdout and stderr, with /dev/null as stdin and without a terminal. None: stdin, stdout, stderr and terminal are
    /// the launcher's.
    pub output: Option<(BorrowedFd<'a>, BorrowedFd<'a>)>,
    /// Other descriptors that the child inherits, under the same numbers.
    pub inherit: Vec<BorrowedFd<'a>>,
    /// None: the launcher's own user.
    pub user: Option<&'a Credentials>,
    /// Whether it runs under `SCHED_BATCH` (sched(7)): longer time slices, fewer switches between many processes.
    pub batch: bool,
    /// Whether no program that it starts may have more rights than itself (prctl(2), `PR_SET_NO_NEW_PRIVS`).
    pub no_new_privs: bool,
    /// The signal that the kernel sends it when the launcher dies.
    pub death_signal: Signal,
    /// What confines it; none: nothing.
    pub sandbox: Option<Sandbox>,
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {}: {source}", program.display())]
pub(crate) struct SpawnError {
    /// Path of the program, as in [`Spawn`].
    pub program: PathBuf,
    /// The error of fork, of exec, or of a step between them.
    pub source: io::Error,
}

/// What kept a child from being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpawnFailure {
    /// There is no such program.
    NotFound,
    /// The file is no program, or may not be executed.
    NotExecutable,
    /// The system is short of processes, memory or descriptors.
    Refused,
}

impl SpawnError {
    /// What kept the child from being started.
    pub(crate) fn kind(&self) -> SpawnFailure {
        match self.source.kind() {
            io::ErrorKind::NotFound => SpawnFailure::NotFound,
            io::ErrorKind::PermissionDenied => SpawnFailure::NotExecutable,
            _ if self.source.raw_os_error() == Some(Errno::ENOEXEC as i32) => {
                SpawnFailure::NotExecutable
            }
            _ => SpawnFailure::Refused,
        }
    }
}

/// Starts a child in a process group of its own, whose ID is the child's.
pub(crate) fn spawn(spawn: Spawn<'_>) -> Result<Pid, SpawnError> {
    let failed = |source| SpawnError {
        program: spawn.program.to_owned(),
        source,
    };
    let mut command = Command::new(spawn.program);
    command.args(spawn.args).process_group(0);
    if let Some(env) = spawn.env {
        command.env_clear().envs(env);
    }
    if let Some(cwd) = spawn.cwd {
        command.current_dir(cwd);
    }
    if let Some((stdout, stderr)) = spawn.output {
        let stdout = stdout.try_clone_to_owned().map_err(failed)?;
        let stderr = stderr.try_clone_to_owned().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    }
    let setup = ChildSetup {
        inherit: spawn
            .inherit
            .iter()
            .map(std::os::fd::AsRawFd::as_raw_fd)
            .collect(),
        user: spawn.user.cloned(),
        has_terminal: spawn.output.is_none(),
        batch: spawn.batch,
        no_new_privs: spawn.no_new_privs,
        umask: rights::original_umask(),
        death_signal: spawn.death_signal,
        launcher: nix::unistd::getpid(),
        sandbox: spawn.sandbox,
    };
    // SAFETY: between fork and exec, `prepare` only makes system calls on values that were made before the fork: it
    // allocates nothing and takes no lock.
    unsafe { command.pre_exec(move || setup.prepare()) };
    let started = command.spawn().map_err(failed)?;
    // A process ID is positive and fits (PID_MAX_LIMIT is 2^22).
    Ok(Pid::from_raw(
        i32::try_from(started.id()).unwrap_or(i32::MAX),
    ))
}

/// Signals one process. Ignores a process that no longer exists and logs any other error.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    if let Err(error) = kill(pid, signal)
        && error != Errno::ESRCH
    {
        tracing::warn!(%pid, %signal, %error, "Cannot signal a process.");
    }
}

/// Signals a process group. Ignores a group that no longer exists and logs any other error.
pub(crate) fn signal_group(group: Pid, signal: Signal) {
    if let Err(error) = killpg(group, signal)
        && error != Errno::ESRCH
    {
        tracing::warn!(%group, %signal, %error, "Cannot signal a process group.");
    }
}

/// Whether a process group has any process left.
pub(crate) fn group_exists(group: Pid) -> bool {
    killpg(group, None) != Err(Errno::ESRCH)
}

/// Whether the launcher is PID 1.
pub(crate) fn is_init() -> bool {
    nix::unistd::getpid().as_raw() == 1
}

/// Becomes a subreaper (prctl(2)): orphaned descendants are reparented to the launcher, which reaps them. PID 1 gets the
/// orphans of its namespace anyway.
pub(crate) fn become_subreaper() {
    if !is_init()
        && let Err(error) = nix::sys::prctl::set_child_subreaper(true)
    {
        tracing::debug!(%error, "Cannot become a subreaper; orphans go to another process.");
    }
}
