//! nginx as a child.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Variables;
use crate::health::probe::Probe;
use crate::logs::Source;
use crate::plan::Plan;
use crate::supervise::child::{ChildPlan, Orphans, Retire, Role, Sockets, StopPlan, Watch};

/// How long every answer closes its connection before nginx is asked to stop: a client that reuses a connection in the
/// very moment in which nginx closes it gets a reset (63 in 10 stops with 40 busy clients; with this 0 in 210).
const DRAIN: Duration = Duration::from_millis(500);

/// Variables that nginx may see: it hands all of its environment to nobody, but reads these itself.
const VARIABLES: [&str; 3] = ["PATH", "TZ", "LANG"];

/// nginx for a plan. `clients` are the sockets for clients, as bound.
pub fn child(
    plan: &Plan,
    program: PathBuf,
    clients: Vec<Arc<OwnedFd>>,
    env: &Variables,
) -> ChildPlan {
    let layout = &plan.layout;
    ChildPlan {
        name: "nginx",
        role: Role::Proxy,
        program,
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
        watch: Watch::StatusPage,
        stdout: Source::NginxAccess,
        stderr: Source::NginxError,
        log_pipes: Vec::new(),
        log_nonce: None,
        sockets: Sockets {
            variable: "NGINX",
            separator: ";",
            list: clients,
        },
        // The master stays root where the launcher is: certificates of a snippet may be readable to root alone.
        user: None,
        batch: false,
        // A fast stop, which takes the workers along; SIGKILL would leave them behind, with the sockets.
        death_signal: Signal::SIGTERM,
        // nginx binds this one itself and does not remove what a killed nginx left.
        remove_before_start: vec![layout.nginx_socket(), layout.draining()],
        probe: Probe::Http {
            socket: layout.nginx_socket(),
        },
        stop: StopPlan {
            drain: Some((layout.draining(), DRAIN)),
            graceful: Signal::SIGQUIT,
            repeat: None,
            fast: Signal::SIGTERM,
            retire: Retire::Stop,
            retire_limit: None,
            listens_while_starting: true,
        },
        orphans: Orphans::Finish,
    }
}
