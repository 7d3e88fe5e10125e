//! Every way a command can fail, the text for it, and its exit code (sysexits(3) where one fits).
#![deny(clippy::wildcard_enum_match_arm)]

use std::io;
use std::path::PathBuf;

use crate::config::locate::LookupError;
use crate::config::problem::Findings;
use crate::http::client::ClientError;
use crate::reload_answer::ReloadOutcome;
use crate::render::RenderError;
use crate::supervise::machine::outcome::Outcome;
use crate::sys::files::WriteError;
use crate::sys::process::{SpawnError, SpawnFailure};
use crate::sys::runtime::RuntimeError;
use crate::sys::sockets::BindError;

/// Why a command failed. The text is printed on stderr after the program's name; hints follow on lines of their own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No service was found, or its files cannot be read.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The configuration has problems, which have been printed one by one.
    #[error("{0} in the configuration")]
    Config(Problems),
    /// `nginx -t` failed; its messages have been printed.
    #[error("nginx does not accept the configuration")]
    NginxRefuses,
    /// `check --import` has failed; what the application printed has been printed.
    #[error("the application cannot be imported: {0}")]
    CannotImport(String),
    /// A path of the service has characters that nginx.conf or uwsgi.ini cannot hold, or a template failed.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A file of the runtime folder cannot be written.
    #[error(
        "{0}\n  hint: choose a folder that user {user} may write with --runtime-dir",
        user = nix::unistd::geteuid()
    )]
    Write(#[from] WriteError),
    /// A file cannot be written below the folder given with `render --out`.
    #[error(
        "{0}\n  hint: choose a folder that user {user} may write with --out",
        user = nix::unistd::geteuid()
    )]
    WriteOut(WriteError),
    /// Another launcher holds the lock of the runtime folder.
    #[error("cannot use {}: another launcher{} uses it\n  hint: stop that one, or choose another folder with --runtime-dir", folder.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Occupied {
        /// The runtime folder.
        folder: PathBuf,
        /// The other launcher's process, as written in the lock file; none when that cannot be read.
        pid: Option<u32>,
    },
    /// The path of a generation's folder is taken by something that no launcher has made.
    #[error("cannot use {}: it exists, and no launcher has made it\n  hint: remove or rename it, or choose another folder with --runtime-dir", .0.display())]
    Foreign(PathBuf),
    /// The workers' user cannot enter the runtime folder, or users other than the launcher's can write it.
    #[error(
        "cannot use the runtime folder: {what}\n  hint: {hint}, or choose another folder with --runtime-dir"
    )]
    Inaccessible {
        /// The folder, and what is wrong with its owner or mode.
        what: String,
        /// How to repair that.
        hint: String,
    },
    /// The launcher cannot listen on an address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The launcher is root and lacks capabilities that it cannot do without.
    #[error(
        "the launcher runs as root without {0}, and cannot run nginx and the application as users of their own\n  hint: give the container these capabilities, or start it as another user (--user 65534), who needs none"
    )]
    NoRights(String),
    /// A program is not installed.
    #[error("cannot find {program}\n  hint: {hint}")]
    Missing {
        /// Its name on PATH, or what it lacks.
        program: &'static str,
        /// The command that installs it.
        hint: String,
    },
    /// A program exists and is not executable.
    #[error("cannot run {}: it is not executable\n  hint: chmod +x it, or remove it so that another one on PATH is found", .0.display())]
    NotExecutable(PathBuf),
    /// A program is executable and does not print its version.
    #[error("cannot run {}: it does not tell its version\n  hint: it may be built for another CPU, or its interpreter may be missing; remove it so that another one on PATH is found", .0.display())]
    NotAProgram(PathBuf),
    /// fork or exec failed.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The event loop cannot be started.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The service stopped by itself or by force. The same text is the last log record of the run.
    #[error("{text}")]
    Ended {
        /// Decides the exit code.
        outcome: Outcome,
        /// The reason, with the name of the child.
        text: String,
    },
    /// flask, in development, ended with another code than 0.
    #[error("flask ended: {0}")]
    Flask(crate::sys::reap::Exit),
    /// No control socket of a running launcher was found, or the one that was found gave no proper answer.
    #[error(
        "no launcher answers: {error}\n  hint: {}give the same --runtime-dir as to `run`",
        tried_folders(tried)
    )]
    NoLauncher {
        /// The error of the socket that says most.
        error: ClientError,
        /// Runtime folders whose control.sock was tried.
        tried: Vec<PathBuf>,
    },
    /// Only servers answer that may pretend to be the launcher.
    #[error("no launcher answers that can be trusted: {0}")]
    OnlyStrangers(String),
    /// The command draws on a terminal, and there is none that it can use.
    #[error("{0}\n  hint: `status` prints the same once, `status --watch` again and again")]
    NoTerminal(String),
    /// A command whose reason has been printed already.
    #[error("see above")]
    Reported {
        /// The exit code.
        code: u8,
    },
    /// The launcher answered no: the service is not ready, or the worker does not exist.
    #[error("{0}")]
    Negative(String),
    /// The health check did not pass.
    #[error("{reason}")]
    Health {
        /// 1 warning, 2 critical.
        level: u8,
        /// The launcher's reason, one line.
        reason: String,
    },
    /// A system call failed that needs no special permission: a pipe, a temporary folder, stdout.
    #[error("cannot {what}: {source}")]
    System {
        /// Completes "cannot …".
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// An invariant of the launcher did not hold.
    #[error("bug: {0}")]
    Bug(String),
}

/// Findings with at least one problem; displayed as their number.
#[derive(Debug)]
pub(crate) struct Problems(pub Findings);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.problems().count() {
            1 => write!(f, "1 problem"),
            n => write!(f, "{n} problems"),
        }
    }
}

impl Failure {
    /// Whether the cause is in the service's files, and not in the system or the launcher.
    pub(crate) fn is_of_the_service(&self) -> bool {
        matches!(
            self,
            Self::Lookup(_)
                | Self::Config(_)
                | Self::NginxRefuses
                | Self::CannotImport(_)
                | Self::Render(RenderError::Unquotable(_))
        )
    }

    /// For `map_err`: the system refused `what`.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    /// The exit code. The match has no wildcard, so that a new failure does not compile without a code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Negative(_) => 1,
            Self::NoTerminal(_) => 2,
            Self::Lookup(LookupError::Unreadable { source, .. }) if is_permission(source) => 77,
            Self::Lookup(_) => 66,
            Self::NoLauncher { .. } | Self::OnlyStrangers(_) => 69,
            Self::Bug(_) | Self::Render(RenderError::Template(_)) => 70,
            Self::Bind(BindError::NoPermission { .. }) | Self::NoRights(_) => 77,
            Self::Bind(_) | Self::System { .. } | Self::Runtime(_) => 71,
            Self::Write(_)
            | Self::WriteOut(_)
            | Self::Occupied { .. }
            | Self::Foreign(_)
            | Self::Inaccessible { .. } => 73,
            Self::Config(_) | Self::NginxRefuses | Self::Render(RenderError::Unquotable(_)) => 78,
            Self::CannotImport(_) => 22,
            Self::NotExecutable(_) | Self::NotAProgram(_) => 126,
            Self::Missing { .. } => 127,
            Self::Spawn(error) => spawn_code(error.kind()),
            Self::Ended { outcome, .. } => outcome_code(outcome),
            Self::Flask(exit) => exit.code(),
            Self::Health { level, .. } => *level,
            Self::Reported { code } => *code,
        }
    }
}

/// The folders in which a launcher was looked for, as the beginning of a hint.
fn tried_folders(tried: &[PathBuf]) -> String {
    let list: Vec<String> = tried
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    format!(
        "it is asked on control.sock in its runtime folder (tried {}); ",
        list.join(", ")
    )
}

/// The exit code of a `run`.
fn outcome_code(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Stopped | Outcome::Cut => 0,
        Outcome::StopTimedOut(_)
        | Outcome::StragglersKilled(_)
        | Outcome::Forced
        | Outcome::NotReady(..) => 75,
        Outcome::CannotRun(_, failure) => spawn_code(*failure),
        // A child that exits by itself has failed even with code 0; the launcher exits with 0 only when asked to stop.
        Outcome::FailedToStart(_, exit) | Outcome::CrashedTooOften(_, exit) => match exit.code() {
            0 => 75,
            code => code,
        },
    }
}

/// The exit code of the command `reload`.
pub(crate) fn reload_code(outcome: ReloadOutcome) -> u8 {
    match outcome {
        ReloadOutcome::Committed => 0,
        ReloadOutcome::RolledBack | ReloadOutcome::Refused => 75,
        ReloadOutcome::Invalid => 78,
    }
}

/// The exit code for a program that cannot be run, as a shell's; 71 when the system has refused.
fn spawn_code(failure: SpawnFailure) -> u8 {
    match failure {
        SpawnFailure::NotFound => 127,
        SpawnFailure::NotExecutable => 126,
        SpawnFailure::Refused => 71,
    }
}

fn is_permission(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::machine::identity::{ChildLabel, Role};
    use crate::sys::reap::Exit;

    #[test]
    fn codes_are_pinned() {
        let ended = |outcome| {
            Failure::Ended {
                outcome,
                text: String::new(),
            }
            .code()
        };
        let app = ChildLabel {
            name: "app",
            role: Role::Application,
        };
        assert_eq!(ended(Outcome::Stopped), 0);
        assert_eq!(ended(Outcome::StopTimedOut(app)), 75);
        assert_eq!(ended(Outcome::NotReady(app, None)), 75);
        assert_eq!(ended(Outcome::FailedToStart(app, Exit::Code(22))), 22);
        assert_eq!(ended(Outcome::FailedToStart(app, Exit::Code(0))), 75);
        assert_eq!(ended(Outcome::CrashedTooOften(app, Exit::Signal(11))), 139);
        assert_eq!(
            ended(Outcome::CannotRun(app, SpawnFailure::NotExecutable)),
            126
        );
        assert_eq!(Failure::Config(Problems(Findings::default())).code(), 78);
        assert_eq!(Failure::Lookup(LookupError::NoService).code(), 66);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(
            Failure::Lookup(LookupError::Unreadable {
                file: "x".into(),
                source: denied,
                hint: ""
            })
            .code(),
            77
        );
        let folder = PathBuf::from("/run/x");
        let occupied = Failure::Occupied {
            folder: folder.clone(),
            pid: Some(42),
        };
        assert_eq!(occupied.code(), 73);
        assert!(
            occupied
                .to_string()
                .contains("another launcher (pid 42) uses it")
        );
        assert_eq!(Failure::Foreign(folder).code(), 73);
        assert_eq!(
            Failure::Health {
                level: 2,
                reason: String::new()
            }
            .code(),
            2
        );
    }
}
