//! uWSGI as a child.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Variables;
use crate::health::probe::{HealthPath, Probe};
use crate::health::stats;
use crate::logs::Source;
use crate::plan::Plan;
use crate::supervise::child::{ChildPlan, Orphans, Retire, Role, Sockets, StopPlan, Watch};
use crate::sys::process::Credentials;

/// TERM is lost in a window of some 20 ms when the workers come up, and a repeated one makes a normal stop quicker too
/// (0.3 s instead of 1 s: the master looks once a second).
const REPEAT_TERM: Duration = Duration::from_millis(100);

/// uWSGI for a plan. `application` is the application's socket, as bound; `env` is what the application shall see.
pub fn child(
    plan: &Plan,
    program: PathBuf,
    application: Arc<OwnedFd>,
    env: &Variables,
) -> ChildPlan {
    let layout = &plan.layout;
    let mut env = env.clone();
    if let Some(user) = &plan.user {
        // As login(1) does: a library that looks into the home of another user is refused.
        env.retain(|(name, _)| !["HOME", "USER", "LOGNAME"].iter().any(|own| name == own));
        env.push(("HOME".into(), user.home.clone().into()));
        env.push(("USER".into(), user.name.clone().into()));
        env.push(("LOGNAME".into(), user.name.clone().into()));
    }
    let mut set = |name: &str, limit: Option<Duration>| {
        if let Some(limit) = limit {
            env.push((name.into(), limit.as_secs_f64().to_string().into()));
        }
    };
    set("MICROSERVICE_REQUEST_TIMEOUT", plan.timeouts.request);
    set("MICROSERVICE_QUEUE_TIMEOUT", plan.timeouts.queue);
    ChildPlan {
        name: "uwsgi",
        role: Role::Application,
        program,
        args: vec!["--ini".into(), layout.uwsgi_ini().into()],
        env,
        // The application's folder: it cannot be told in uwsgi.ini, where some names cannot be quoted.
        cwd: plan.root.join("src"),
        folder: layout.uwsgi(),
        watch: Watch::Workers {
            socket: layout.app_socket(),
            request_timeout: plan.timeouts.request,
            hard_end: plan.timeouts.hard_end,
        },
        stdout: Source::AppStdout,
        stderr: Source::Uwsgi,
        log_pipes: vec![("MICROSERVICE_APP_STDERR_FD", Source::AppStderr)],
        log_nonce: Some("MICROSERVICE_LOG_NONCE"),
        sockets: Sockets {
            variable: "MICROSERVICE_APP_SOCKET_FD",
            separator: "",
            list: vec![application],
        },
        user: plan
            .user
            .as_ref()
            .map(|user| Credentials::of(&user.name, user.uid, user.gid)),
        batch: true,
        // The workers follow at once (no-orphans); TERM would be ignored during the import.
        death_signal: Signal::SIGKILL,
        remove_before_start: Vec::new(),
        probe: Probe::Uwsgi {
            stats: stats::Socket {
                path: layout.uwsgi_stats(),
                slots: plan.slots,
            },
            workers: plan.processes,
            health: plan.health_check_path.as_ref().map(|path| HealthPath {
                socket: layout.app_socket(),
                path: path.clone(),
            }),
        },
        stop: StopPlan {
            drain: None,
            graceful: Signal::SIGTERM,
            repeat: Some(REPEAT_TERM),
            fast: Signal::SIGTERM,
            retire: Retire::Command(layout.uwsgi_fifo(), "q"),
            retire_limit: plan.timeouts.retire,
            listens_while_starting: false,
        },
        orphans: Orphans::Kill,
    }
}
