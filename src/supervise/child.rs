//! What a child is: how it is started, how it tells that it is ready, how it is stopped.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::health::probe::Probe;
use crate::logs::Source;
use crate::sys::process::Credentials;

/// What a child does for the service; decides the order of stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs the application. Stopped last.
    Application,
    /// Takes requests from clients. Stopped first.
    Proxy,
}

/// A child to be supervised.
#[derive(Clone, Debug)]
pub struct ChildPlan {
    /// Its name for people.
    pub name: &'static str,
    /// What it does.
    pub role: Role,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// Its own files, removed when it never comes back.
    pub folder: PathBuf,
    /// What is watched while it serves.
    pub watch: Watch,
    /// Where its stdout goes.
    pub stdout: Source,
    /// Where its stderr goes.
    pub stderr: Source,
    /// Log pipes that it inherits beside those two, each with the variable that tells its number.
    pub log_pipes: Vec<(&'static str, Source)>,
    /// The variable that tells it the log's nonce.
    pub log_nonce: Option<&'static str>,
    /// Sockets that it inherits, with the variable that tells their numbers.
    pub sockets: Sockets,
    /// The user that it runs as.
    pub user: Option<Credentials>,
    /// Whether it runs under `SCHED_BATCH`.
    pub batch: bool,
    /// Its signal when the launcher dies.
    pub death_signal: Signal,
    /// Files that an earlier run may have left and that it cannot replace itself.
    pub remove_before_start: Vec<PathBuf>,
    /// How it tells that it is ready.
    pub probe: Probe,
    /// How it is stopped.
    pub stop: StopPlan,
    /// What becomes of its process group when it crashes.
    pub orphans: Orphans,
}

/// What is watched while a child serves.
#[derive(Clone, Debug)]
pub enum Watch {
    /// Whether its status page answers.
    StatusPage,
    /// Whether its workers get on, and with threads whether a request is overdue.
    Workers {
        /// The socket that they take requests from.
        socket: PathBuf,
        /// What a request may take; none: as long as it likes.
        request_timeout: Option<Duration>,
        /// From this age on a request ends its worker.
        hard_end: Option<Duration>,
    },
    /// Nothing.
    Nothing,
}

/// Sockets that a child inherits.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// The variable.
    pub variable: &'static str,
    /// What stands behind each number in it.
    pub separator: &'static str,
    /// The sockets.
    pub list: Vec<Arc<OwnedFd>>,
}

/// How a child is stopped.
#[derive(Clone, Debug)]
pub struct StopPlan {
    /// First tell its clients to go away: make this file, wait this long.
    pub drain: Option<(PathBuf, Duration)>,
    /// The signal that lets it finish what it does.
    pub graceful: Signal,
    /// Repeat that signal so often until it has ended.
    pub repeat: Option<Duration>,
    /// The signal that ends it at once.
    pub fast: Signal,
    /// How it is asked to finish while its successor serves on the same sockets.
    pub retire: Retire,
    /// It is killed when it has not finished by then; none: it may take for ever, as its requests may.
    pub retire_limit: Option<Duration>,
    /// Whether it takes signals while it starts; one that does not is killed then: it has served nobody yet.
    pub listens_while_starting: bool,
}

/// How a child is asked to finish while its successor serves.
#[derive(Clone, Debug)]
pub enum Retire {
    /// As for a stop: drain, then the graceful signal.
    Stop,
    /// This text is written to this named pipe.
    Command(PathBuf, &'static str),
}

/// What becomes of a process group whose leader crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// They are of no use: killed.
    Kill,
    /// They go on serving, and finish once somebody else serves.
    Finish,
}
