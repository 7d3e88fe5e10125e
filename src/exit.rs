//! Every way to fail, and its exit code (sysexits(3) where they fit).
#![deny(clippy::wildcard_enum_match_arm)]

use std::io;
use std::path::PathBuf;

use crate::config::locate::LookupError;
use crate::config::problem::Findings;
use crate::http::client::ClientError;
use crate::render::RenderError;
use crate::supervise::state::Outcome;
use crate::sys::files::WriteError;
use crate::sys::process::SpawnError;
use crate::sys::sockets::BindError;

/// A run that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is nothing to run.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The configuration is wrong; every problem has been told.
    #[error("{0} in the configuration")]
    Config(Problems),
    /// nginx does not take its configuration; its own words have been told.
    #[error("nginx does not accept the configuration")]
    NginxRefuses,
    /// A path cannot be used.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A file of the runtime folder cannot be written.
    #[error(
        "{0}\n  hint: choose a folder that user {user} may write with --runtime-dir",
        user = nix::unistd::geteuid()
    )]
    Write(#[from] WriteError),
    /// What was asked for cannot be written where it was asked for.
    #[error(
        "{0}\n  hint: choose a folder that user {user} may write with --out",
        user = nix::unistd::geteuid()
    )]
    WriteOut(WriteError),
    /// Another launcher has the runtime folder.
    #[error("cannot use {}: another launcher{} uses it\n  hint: stop that one, or choose another folder with --runtime-dir", folder.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// The launcher, where its lock tells.
        pid: Option<u32>,
    },
    /// Something that no launcher has made is in the place of a generation's folder.
    #[error("cannot use {}: it exists, and no launcher has made it\n  hint: remove or rename it, or choose another folder with --runtime-dir", .0.display())]
    Foreign(PathBuf),
    /// The workers cannot get at the runtime folder, or others can.
    #[error(
        "cannot use the runtime folder: {what}\n  hint: {hint}, or choose another folder with --runtime-dir"
    )]
    Closed {
        /// Who cannot enter what, or whose it is.
        what: String,
        /// What helps.
        hint: String,
    },
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A program is not installed.
    #[error("cannot find {program}\n  hint: {hint}")]
    Missing {
        /// The program.
        program: &'static str,
        /// What installs it.
        hint: String,
    },
    /// A program is there and cannot be executed.
    #[error("cannot run {}: it is not executable\n  hint: chmod +x it, or remove it so that another one on PATH is found", .0.display())]
    NotExecutable(PathBuf),
    /// A program is there, may be executed, and does not tell its version.
    #[error("cannot run {}: it does not tell its version\n  hint: it may be made for another machine, or lack its interpreter; remove it so that another one on PATH is found", .0.display())]
    NotAProgram(PathBuf),
    /// A program cannot be run.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The service ended otherwise than asked; the text names the culprit.
    #[error("{text}")]
    Ended {
        /// What happened.
        outcome: Outcome,
        /// In words.
        text: String,
    },
    /// Development ended with this code of flask's.
    #[error("flask ended: {0}")]
    Flask(crate::sys::reap::Exit),
    /// No launcher answers.
    #[error(
        "no launcher answers: {error}\n  hint: {}give the same --runtime-dir as to `run`",
        looked(tried)
    )]
    NoLauncher {
        /// Why not.
        error: ClientError,
        /// Runtime folders whose control.sock was asked.
        tried: Vec<PathBuf>,
    },
    /// A command whose reason has been printed already.
    #[error("see above")]
    Reported {
        /// The exit code.
        code: u8,
    },
    /// The answer to a question is no.
    #[error("{0}")]
    Negative(String),
    /// A health check's level.
    #[error("{reason}")]
    Health {
        /// 1 warning, 2 critical.
        level: u8,
        /// Why.
        reason: String,
    },
    /// The system refused something that everyone may have.
    #[error("cannot {what}: {source}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// An invariant did not hold.
    #[error("bug: {0}")]
    Bug(String),
}

/// Findings that stop the service.
#[derive(Debug)]
pub struct Problems(pub Findings);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.problems().count() {
            1 => write!(f, "1 problem"),
            n => write!(f, "{n} problems"),
        }
    }
}

impl Failure {
    /// For `map_err`: the system refused `what`.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    /// The exit code. A new failure does not compile without a decision.
    pub fn code(&self) -> u8 {
        match self {
            Self::Negative(_) => 1,
            Self::Lookup(LookupError::Unreadable { source, .. }) if is_permission(source) => 77,
            Self::Lookup(_) => 66,
            Self::NoLauncher { .. } => 69,
            Self::Bug(_) | Self::Render(RenderError::Template(_)) => 70,
            Self::Bind(BindError::NoPermission { .. }) => 77,
            Self::Bind(_) | Self::System { .. } => 71,
            Self::Write(_)
            | Self::WriteOut(_)
            | Self::Occupied { .. }
            | Self::Foreign(_)
            | Self::Closed { .. } => 73,
            Self::Config(_) | Self::NginxRefuses | Self::Render(RenderError::Unquotable(_)) => 78,
            Self::NotExecutable(_) | Self::NotAProgram(_) => 126,
            Self::Missing { .. } => 127,
            Self::Spawn(error) => error.code(),
            Self::Ended { outcome, .. } => outcome_code(*outcome),
            Self::Flask(exit) => exit.code(),
            Self::Health { level, .. } => *level,
            Self::Reported { code } => *code,
        }
    }
}

/// Where a launcher was looked for.
fn looked(tried: &[PathBuf]) -> String {
    let list: Vec<String> = tried
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    format!(
        "it is asked on control.sock in its runtime folder (tried {}); ",
        list.join(", ")
    )
}

/// The code of a whole run.
fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Asked | Outcome::Cut => 0,
        Outcome::Killed(_) | Outcome::Forced | Outcome::NotReady(_) => 75,
        Outcome::CannotRun(_, code) => code,
        // A child that ends by itself with 0 has failed all the same; 0 is for a stop that was asked for.
        Outcome::FailedToStart(_, exit) | Outcome::CrashedTooOften(_, exit) => match exit.code() {
            0 => 75,
            code => code,
        },
    }
}

fn is_permission(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(ended(Outcome::Asked), 0);
        assert_eq!(ended(Outcome::Killed(0)), 75);
        assert_eq!(ended(Outcome::NotReady(0)), 75);
        assert_eq!(ended(Outcome::FailedToStart(0, Exit::Code(22))), 22);
        assert_eq!(ended(Outcome::FailedToStart(0, Exit::Code(0))), 75);
        assert_eq!(ended(Outcome::CrashedTooOften(0, Exit::Signal(11))), 139);
        assert_eq!(ended(Outcome::CannotRun(0, 126)), 126);
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
