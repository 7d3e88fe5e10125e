//! Starting children and signalling them.
//!
//! A child gets: its own process group, so that what is left of it can be killed as a whole; no blocked and no ignored
//! signals (both are inherited otherwise); /dev/null as stdin (uWSGI takes a socket there for its own); only the
//! descriptors that it is given; its user; and a signal at the death of the launcher. That one is bound to the
//! launcher's *thread* (prctl(2)), so children are started on the main thread, which lives as long as the launcher; and
//! it is forgotten when a process changes its user, so the user is changed before it is set.
#![expect(
    unsafe_code,
    reason = "pre_exec and sched_setscheduler have no safe form"
)]

use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, killpg, sigprocmask};
use nix::unistd::{Gid, Pid, Uid};

/// Most open files of a child that sizes its tables by the limit: uWSGI allocates for each possible descriptor, and
/// container runtimes set limits of a thousand million.
const MOST_OPEN_FILES: u64 = 65_536;

/// Everything about a child's start.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The program, with its path.
    pub program: &'a Path,
    /// Its arguments, without the program's name.
    pub args: &'a [OsString],
    /// Its whole environment; none: the launcher's own.
    pub env: Option<Vec<(OsString, OsString)>>,
    /// Its working folder; none: the launcher's own.
    pub cwd: Option<&'a Path>,
    /// Its stdout and stderr; none: the launcher's own, with stdin.
    pub output: Option<(BorrowedFd<'a>, BorrowedFd<'a>)>,
    /// Descriptors that it inherits, with the same numbers.
    pub inherit: Vec<BorrowedFd<'a>>,
    /// The user that it runs as; none: the launcher's own.
    pub user: Option<&'a Credentials>,
    /// Whether it runs under `SCHED_BATCH` (sched(7)): longer time slices, fewer switches between many processes.
    pub batch: bool,
    /// The signal that it gets when the launcher dies.
    pub death_signal: Signal,
}

/// A user with all its groups, looked up before the fork (reading /etc/group after it is not safe).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Credentials {
    /// Looks up the groups of a user.
    pub fn of(name: &str, uid: u32, gid: u32) -> Self {
        let gid = Gid::from_raw(gid);
        let groups = std::ffi::CString::new(name)
            .ok()
            .and_then(|name| nix::unistd::getgrouplist(&name, gid).ok())
            .unwrap_or_else(|| vec![gid]);
        Self {
            uid: Uid::from_raw(uid),
            gid,
            groups,
        }
    }
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {}: {source}", program.display())]
pub struct SpawnError {
    /// The program.
    pub program: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// What kept a child from being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnFailure {
    /// There is no such program.
    NotFound,
    /// The file is no program, or may not be executed.
    NotExecutable,
    /// The system is short of processes, memory or descriptors.
    Refused,
}

impl SpawnError {
    /// What kept the child from being started.
    pub fn kind(&self) -> SpawnFailure {
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

/// Starts a child in a process group of its own.
pub fn spawn(spawn: Spawn<'_>) -> Result<Pid, SpawnError> {
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
    let child = InChild {
        inherit: spawn
            .inherit
            .iter()
            .map(std::os::fd::AsRawFd::as_raw_fd)
            .collect(),
        user: spawn.user.cloned(),
        batch: spawn.batch,
        death_signal: spawn.death_signal,
        launcher: nix::unistd::getpid(),
    };
    // SAFETY: between fork and exec, `prepare` only makes system calls on values that were made before the fork: it
    // allocates nothing and takes no lock.
    unsafe { command.pre_exec(move || child.prepare()) };
    let started = command.spawn().map_err(failed)?;
    // The number of a process is positive and fits (PID_MAX_LIMIT is 2^22).
    Ok(Pid::from_raw(
        i32::try_from(started.id()).unwrap_or(i32::MAX),
    ))
}

/// What is done in the child, between fork and exec.
struct InChild {
    inherit: Vec<RawFd>,
    user: Option<Credentials>,
    batch: bool,
    death_signal: Signal,
    launcher: Pid,
}

impl InChild {
    fn prepare(&self) -> io::Result<()> {
        for fd in &self.inherit {
            // SAFETY: the descriptor is open: the launcher keeps its sockets and pipes for as long as it lives.
            let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        default_signals()?;
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(MOST_OPEN_FILES), hard)?;
        if self.batch {
            batch_scheduling();
        }
        if let Some(user) = &self.user {
            nix::unistd::setgroups(&user.groups)?;
            nix::unistd::setgid(user.gid)?;
            nix::unistd::setuid(user.uid)?;
        }
        nix::sys::prctl::set_pdeathsig(self.death_signal)?;
        if nix::unistd::getppid() != self.launcher {
            // The launcher died in the meantime: nobody would send the signal.
            return Err(Errno::ESRCH.into());
        }
        Ok(())
    }
}

/// No signal blocked, none ignored.
fn default_signals() -> io::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    for signal in Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// Failure is no reason not to start: some sandboxes forbid the call, and all that is lost is a little throughput.
fn batch_scheduling() {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` outlives the call, and 0 means the calling process.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const param) };
}

/// Signals one process. A process that is gone is no error.
pub fn signal(pid: Pid, signal: Signal) {
    if let Err(error) = kill(pid, signal)
        && error != Errno::ESRCH
    {
        tracing::warn!(%pid, %signal, %error, "Cannot signal a process.");
    }
}

/// Signals a process group. A group that is gone is no error.
pub fn signal_group(group: Pid, signal: Signal) {
    if let Err(error) = killpg(group, signal)
        && error != Errno::ESRCH
    {
        tracing::warn!(%group, %signal, %error, "Cannot signal a process group.");
    }
}

/// Whether anybody is left of a process group.
pub fn has_members(group: Pid) -> bool {
    killpg(group, None) != Err(Errno::ESRCH)
}

/// The processes that another one has started (proc(5), `children`).
fn children_of(pid: Pid) -> Vec<Pid> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let text = text.unwrap_or_default();
    let numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    numbers.map(Pid::from_raw).collect()
}

/// Whether a process was started by another one.
pub fn is_child_of(pid: Pid, parent: Pid) -> bool {
    children_of(parent).contains(&pid)
}

/// Whether a process has started one that lives: what has died stays in the list until it is waited for.
pub fn has_living_children(pid: Pid) -> bool {
    children_of(pid).into_iter().any(|child| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // The name before the state may hold anything, parentheses too (proc(5), `stat`).
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| !state.starts_with(['Z', 'X']))
    })
}

/// Kills the processes that another one has started.
pub fn kill_children_of(pid: Pid) {
    for child in children_of(pid) {
        signal(child, Signal::SIGKILL);
    }
}

/// Kills everything else in this process namespace (kill(2) with -1 spares the caller and PID 1). For PID 1 alone: what
/// left its process group by setsid(2) is still a child of the container.
pub fn kill_everything_else() {
    if is_init() {
        // Nobody left is the usual answer, and no reason to tell.
        let _: nix::Result<()> = kill(Pid::from_raw(-1), Signal::SIGKILL);
    }
}

/// Whether the launcher is PID 1.
pub fn is_init() -> bool {
    nix::unistd::getpid().as_raw() == 1
}

/// Makes orphans of our children our children, so that they are reaped; PID 1 has that by birth.
pub fn adopt_orphans() {
    if !is_init()
        && let Err(error) = nix::sys::prctl::set_child_subreaper(true)
    {
        tracing::debug!(%error, "Cannot become a subreaper; orphans go to another process.");
    }
}
