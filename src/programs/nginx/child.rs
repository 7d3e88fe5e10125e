//! The child plan of nginx: how it is started and stopped.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::proxy::NginxProxy;
use crate::host::user::User;
use crate::logs::Source;
use crate::plan::Plan;
use crate::programs::sandbox;
use crate::supervise::child::{ChildPlan, InheritedSockets};
use crate::supervise::machine::child::{StopPolicy, SurvivorPolicy};
use crate::supervise::program::Program;
use crate::telemetry::pace::Pace;

/// Before the stop signal, nginx closes each connection after its response for this long. A client that reuses a
/// connection at the moment at which nginx closes it gets a reset (63 in 10 stops with 40 busy clients; 0 in 210 stops
/// with this drain).
const DRAIN: Duration = Duration::from_millis(500);

/// nginx takes over listening sockets whose descriptors stand in this variable, each with a semicolon behind it, as in its
/// own binary upgrade (<https://nginx.org/en/docs/control.html>).
pub(super) const SOCKETS: &str = "NGINX";
/// Environment variables that nginx itself reads. It gets no others, because it passes its environment to no program.
const VARIABLES: [&str; 3] = ["PATH", "TZ", "LANG"];

/// The child plan. `clients` are the listening sockets for clients; of `env` nginx gets [`VARIABLES`];
/// `pace` says how often it is asked what it does.
pub(crate) fn child(
    plan: &Plan,
    executable: PathBuf,
    clients: Vec<Arc<OwnedFd>>,
    pace: Pace,
    env: &[(OsString, OsString)],
) -> ChildPlan {
    let layout = &plan.layout;
    ChildPlan {
        name: "nginx",
        program: Program::Proxy(Rc::new(NginxProxy::new(
            layout.nginx_socket(),
            layout.draining(),
            pace,
        ))),
        executable,
        args: vec![
            "-c".into(),
            layout.nginx_conf().into(),
            "-p".into(),
            layout.nginx().into(),
            "-e".into(),
            "stderr".into(),
        ],
        env: env
            .iter()
            .filter(|(name, _)| VARIABLES.iter().any(|known| name == known))
            .cloned()
            .collect(),
        cwd: layout.nginx(),
        folder: layout.nginx(),
        stdout: Source::NginxAccess,
        stderr: Source::NginxError,
        log_pipes: Vec::new(),
        log_nonce: None,
        sockets: InheritedSockets {
            variable: SOCKETS,
            separator: ";",
            list: clients,
        },
        // The master too: a snippet can make it write any file that it may write.
        user: plan.nginx_user.as_ref().map(User::credentials),
        sandbox: sandbox::of_nginx(plan),
        batch: false,
        // A fast stop ends the workers too; SIGKILL would leave them running with the sockets open.
        death_signal: Signal::SIGTERM,
        // nginx binds this socket itself and does not remove the one of a killed nginx.
        run_files: vec![layout.nginx_socket(), layout.draining()],
        graceful_signal: Signal::SIGQUIT,
        fast_signal: Signal::SIGTERM,
        ending_workers: None,
        stop: StopPolicy {
            drain: Some(DRAIN),
            repeat: None,
            stragglers: None,
            retires_on_request: false,
            retire_timeout: None,
            stoppable_while_starting: true,
        },
        survivors: SurvivorPolicy::Finish,
    }
}
