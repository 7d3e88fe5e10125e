//! The child plan of uWSGI: how it is started and stopped.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::application::UwsgiApplication;
use super::health::HealthPath;
use super::leftovers;
use super::stats;
use super::watchdog::Watchdog;
use super::wishes;
use super::worker::ENDING;
use crate::host::user::User;
use crate::logs::Source;
use crate::plan::Plan;
use crate::plan::layout::Layout;
use crate::programs::sandbox;
use crate::queue::RequestQueue;
use crate::supervise::child::{ChildPlan, InheritedSockets};
use crate::supervise::machine::child::{StopPolicy, StragglerPolicy, SurvivorPolicy};
use crate::supervise::program::Program;
use crate::telemetry::pace::Pace;

/// TERM is lost in a window of some 20 ms while the workers come up, and a repeated one makes a normal stop faster too
/// (0.3 s instead of 1 s: the master polls once a second).
const REPEAT_TERM: Duration = Duration::from_millis(100);

/// A uWSGI that is stopped while a worker comes up may wait for ever for that worker, which has missed its signal (2 of
/// 3 runs with 17 workers). It gets one of its own each second, and after five seconds, in which no client had a request
/// for it, it is killed; the master exits normally. A worker that runs its exit handlers has not missed the signal.
const STRAGGLERS: StragglerPolicy = StragglerPolicy {
    every: 10,
    kill_from: 50,
};

/// The child plan. `application` is the application's listening socket, `queue` the requests that wait there; `pace` says how
/// often it is asked what it does; `env` is the environment of uWSGI and the service's code.
pub(crate) fn child(
    plan: &Plan,
    executable: PathBuf,
    application: Arc<OwnedFd>,
    queue: RequestQueue,
    pace: Pace,
    mut env: Vec<(OsString, OsString)>,
) -> ChildPlan {
    let layout = &plan.layout;
    let mut set = |name: &str, limit: Option<Duration>| {
        if let Some(limit) = limit {
            env.push((name.into(), limit.as_secs_f64().to_string().into()));
        }
    };
    set("MICROSERVICE_REQUEST_TIMEOUT", plan.timeouts.request);
    set("MICROSERVICE_WEBSOCKET_IDLE", plan.timeouts.websocket_idle);
    let exit = plan.timeouts.worker_exit;
    set("MICROSERVICE_WORKER_EXIT_TIMEOUT", Some(exit));
    env.push(("MICROSERVICE_LEAVING_FILE".into(), layout.leaving().into()));
    env.push((
        "MICROSERVICE_DISK_FULL_FILE".into(),
        layout.disk_full().into(),
    ));
    env.push((
        "MICROSERVICE_LAUNCHER_PID".into(),
        std::process::id().to_string().into(),
    ));
    env.push(sandbox::variable(plan));
    ChildPlan {
        name: "uwsgi",
        program: Program::Application(Rc::new(application_of(plan, queue, pace))),
        executable,
        args: vec!["--ini".into(), layout.uwsgi_ini().into()],
        env,
        // The application's folder is set here and not in uwsgi.ini, where some names cannot be quoted.
        cwd: plan.root.join("src"),
        folder: layout.uwsgi(),
        stdout: Source::AppStdout,
        stderr: Source::Uwsgi,
        log_pipes: vec![("MICROSERVICE_APP_STDERR_FD", Source::AppStderr)],
        log_nonce: Some("MICROSERVICE_LOG_NONCE"),
        sockets: InheritedSockets {
            variable: "MICROSERVICE_APP_SOCKET_FD",
            separator: "",
            list: vec![application],
        },
        user: plan.user.as_ref().map(User::credentials),
        sandbox: sandbox::of_application(plan),
        batch: true,
        // The workers exit at once too (option no-orphans); TERM would be ignored during the import.
        death_signal: Signal::SIGKILL,
        run_files: run_files(layout),
        graceful_signal: Signal::SIGTERM,
        fast_signal: Signal::SIGTERM,
        ending_workers: Some(ENDING),
        stop: StopPolicy {
            // TERM cuts what a worker is doing, and leaves out its exit handlers then (uwsgi_python_atexit in
            // plugins/python/python_plugin.c), so it has to wait for the last request.
            drain: Some(plan.stop_timeout),
            repeat: Some(REPEAT_TERM),
            stragglers: Some(STRAGGLERS),
            retires_on_request: true,
            retire_timeout: plan.timeouts.retire,
            stoppable_while_starting: false,
        },
        survivors: SurvivorPolicy::Kill,
    }
}

/// Files of one run in uWSGI's folder.
fn run_files(layout: &Layout) -> Vec<PathBuf> {
    let mut files = wishes::paths(&layout.uwsgi());
    files.extend([layout.leaving(), leftovers::path(&layout.uwsgi())]);
    files
}

/// The client through which the supervisor talks to the running uWSGI.
fn application_of(plan: &Plan, queue: RequestQueue, pace: Pace) -> UwsgiApplication {
    let layout = &plan.layout;
    UwsgiApplication {
        stats: stats::Socket::new(layout.uwsgi_stats(), plan.slots),
        user: plan.user.as_ref().map(User::credentials),
        workers: plan.processes,
        health: plan.health_check_path.as_ref().map(|path| HealthPath {
            socket: layout.app_socket(),
            path: path.clone(),
        }),
        fifo: layout.uwsgi_fifo(),
        leaving: layout.leaving(),
        watchdog: Watchdog {
            workers: plan.processes,
            folder: layout.uwsgi(),
            socket: layout.app_socket(),
            request_timeout: plan.timeouts.request,
            kill_after: plan.timeouts.hard_end,
            pace,
            sampled: Cell::new(None),
        },
        warnings: RefCell::default(),
        queue,
    }
}
