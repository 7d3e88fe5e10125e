//! The plan of a child: how its process is started, and how it is stopped.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::signal::Signal;

use super::machine::child::{ChildSpec, StopPolicy, SurvivorPolicy};
use super::machine::identity::ChildLabel;
use super::program::Program;
use crate::logs::Source;
use crate::sys::credentials::Credentials;
use crate::sys::sandbox::SandboxRules;

/// A child to be supervised.
#[derive(Clone, Debug)]
pub(crate) struct ChildPlan {
    /// Its name in logs and messages.
    pub(crate) name: &'static str,
    /// The running program, through the traits by which the supervisor talks to it.
    pub(crate) program: Program,
    pub(crate) executable: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) cwd: PathBuf,
    /// Its own files, removed when it has ended for good.
    pub(crate) folder: PathBuf,
    /// The log sources of its stdout and stderr.
    pub(crate) stdout: Source,
    pub(crate) stderr: Source,
    /// Log pipes that it inherits beside those two, each with the environment variable that holds its descriptor.
    pub(crate) log_pipes: Vec<(&'static str, Source)>,
    /// The environment variable for the secret that marks log lines; none: it does not mark lines.
    pub(crate) log_nonce: Option<&'static str>,
    pub(crate) sockets: InheritedSockets,
    /// The user that it runs as; none: the launcher's own.
    pub(crate) user: Option<Credentials>,
    /// What it may write and call.
    pub(crate) sandbox: SandboxRules,
    /// Whether it runs under `SCHED_BATCH` (sched(7)).
    pub(crate) batch: bool,
    /// The signal that it gets when the launcher dies.
    pub(crate) death_signal: Signal,
    /// Files that belong to one run of the process: removed before each start, and with its folder.
    pub(crate) run_files: Vec<PathBuf>,
    /// The signal that lets it finish its requests.
    pub(crate) graceful_signal: Signal,
    /// The signal that ends it at once, without finishing requests.
    pub(crate) fast_signal: Signal,
    /// The name that its workers have while they end (proc(5), `comm`); none: they do not show it.
    pub(crate) ending_workers: Option<&'static str>,
    pub(crate) stop: StopPolicy,
    pub(crate) survivors: SurvivorPolicy,
}

/// Listening sockets that a child inherits.
#[derive(Clone, Debug)]
pub(crate) struct InheritedSockets {
    /// The environment variable that lists their descriptors.
    pub(crate) variable: &'static str,
    /// Written after each descriptor in it.
    pub(crate) separator: &'static str,
    pub(crate) list: Vec<Arc<OwnedFd>>,
}

impl ChildPlan {
    /// The values that the machine decides by.
    pub(crate) fn spec(&self) -> ChildSpec {
        ChildSpec {
            label: ChildLabel {
                name: self.name,
                role: self.program.role(),
            },
            stop: self.stop.clone(),
            survivors: self.survivors,
        }
    }
}
