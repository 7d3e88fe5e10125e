//! Makes the child plans of a generation from its plan and the shared sockets.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use super::{environment, files, warnings};
use crate::config::locate::Env;
use crate::context::Context;
use crate::exit::Failure;
use crate::host::Host;
use crate::host::programs::{self, Python};
use crate::plan::Plan;
use crate::plan::layout::Layout;
use crate::plan::uwsgi_options;
use crate::programs::nginx::disk_watch::DiskWatch;
use crate::programs::{nginx, uwsgi};
use crate::queue::{QueueLimits, RequestQueue};
use crate::status::{GenerationInfo, PlanSummary, SandboxStatus};
use crate::supervise::child::ChildPlan;
use crate::sys::sockets;
use crate::telemetry::pace::Pace;

/// Backlog of the canary's socket; health checks are sent one at a time.
const CANARY_BACKLOG: u32 = 16;

/// The listening sockets that all generations share. Only the plans of the supervised children keep them open, so they
/// are closed when no child is left.
#[derive(Debug)]
pub(crate) struct SharedSockets {
    /// The addresses for clients, as bound.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) clients: Vec<Weak<OwnedFd>>,
    pub(crate) application: Weak<OwnedFd>,
    /// The requests that wait on the application's socket.
    pub(crate) queue: RequestQueue,
    /// The disk space of responses.
    pub(crate) disk: DiskWatch,
    /// How often the programs are asked what they do.
    pub(crate) pace: Pace,
}

/// Fails when a program is missing or cannot be run. The error says how to install or repair it.
pub(crate) fn require_programs(host: &Host, env: &Env) -> Result<(), Failure> {
    let path = OsString::from(env.get("PATH").cloned().unwrap_or_default());
    let missing = |program, hint: &str| {
        if let Some(file) = programs::not_executable(program, &path) {
            return Err(Failure::NotExecutable(file));
        }
        // The file is executable but did not print its version.
        if let Some(file) = programs::find(program, &path) {
            return Err(Failure::NotAProgram(file));
        }
        Err(Failure::Missing {
            program,
            hint: hint.to_owned(),
        })
    };
    if host.nginx.is_none() {
        return missing("nginx", "apt-get install nginx-light");
    }
    match &host.uwsgi {
        None => missing("uwsgi", "apt-get install uwsgi-core uwsgi-plugin-python3"),
        Some(uwsgi) if uwsgi.python == Python::Missing => missing(
            "uWSGI's plugin python3",
            "apt-get install uwsgi-plugin-python3",
        ),
        Some(_) => Ok(()),
    }
}

/// The child plan of a generation's uWSGI. [`require_programs`] must have succeeded.
pub(crate) fn uwsgi(
    plan: &Plan,
    application: Arc<OwnedFd>,
    queue: &RequestQueue,
    pace: &Pace,
    env: &[(OsString, OsString)],
) -> Result<ChildPlan, Failure> {
    let executable = plan.uwsgi.as_ref().map(|uwsgi| uwsgi.path.clone());
    let executable =
        executable.ok_or_else(|| Failure::Bug("uWSGI was there a moment ago".to_owned()))?;
    Ok(uwsgi::child::child(
        plan,
        executable,
        application,
        queue.clone(),
        pace.clone(),
        environment::application(plan, env),
    ))
}

/// The child plan of a generation's nginx. [`require_programs`] must have succeeded.
pub(crate) fn nginx(
    plan: &Plan,
    clients: Vec<Arc<OwnedFd>>,
    pace: &Pace,
    env: &[(OsString, OsString)],
) -> Result<ChildPlan, Failure> {
    let executable = plan.nginx.as_ref().map(|nginx| nginx.path.clone());
    let executable =
        executable.ok_or_else(|| Failure::Bug("nginx was there a moment ago".to_owned()))?;
    Ok(nginx::child::child(
        plan,
        executable,
        clients,
        pace.clone(),
        env,
    ))
}

/// The layout of a generation's canary, in a folder of its own.
pub(crate) fn canary_layout(layout: &Layout) -> Layout {
    Layout {
        canary: true,
        ..layout.clone()
    }
}

/// The canary: one process of the application on a socket of its own, whose files are written here. None without a
/// health path, because then there is nothing to test it with.
pub(crate) fn canary(
    plan: &Plan,
    env: &[(OsString, OsString)],
) -> Result<Option<ChildPlan>, Failure> {
    if plan.health_check_path.is_none() {
        return Ok(None);
    }
    let plan = Plan {
        layout: canary_layout(&plan.layout),
        processes: 1,
        threads: 1,
        slots: 1,
        ..plan.clone()
    };
    files::write(&plan)?;
    let path = plan.layout.app_socket();
    let socket = sockets::unix(&path, CANARY_BACKLOG, 0o660, files::socket_owner(&plan))?;
    // Nobody but the launcher knows this socket, so that nobody looks at its queue.
    let queue = RequestQueue::new(queue_limits(&plan));
    let pace = Pace::default();
    let mut child = uwsgi(&plan, Arc::new(socket.into()), &queue, &pace, env)?;
    child.name = "uwsgi (canary)";
    child.folder = plan.layout.folder();
    Ok(Some(child))
}

/// What may wait for a slot.
pub(crate) fn queue_limits(plan: &Plan) -> QueueLimits {
    QueueLimits {
        size: plan.queue,
        places: plan.queue_places,
        timeout: plan.timeouts.queue,
    }
}

/// A generation in a status report.
pub(crate) fn info(context: &Context, plan: &Plan) -> GenerationInfo {
    GenerationInfo {
        name: plan.name.clone(),
        generation: plan.layout.generation,
        config_file: context.config.file.clone(),
        listen: plan.listen.iter().map(ToString::to_string).collect(),
        plan: PlanSummary {
            slots: plan.slots,
            processes: plan.processes,
            threads: plan.threads,
            queue: plan.queue,
            nginx_workers: plan.nginx_workers,
            request_timeout_seconds: plan.timeouts.request.map(|limit| limit.as_secs()),
        },
        sandbox: SandboxStatus {
            landlock: plan.sandbox.landlock.to_string(),
            seccomp: plan.sandbox.seccomp.to_string(),
        },
        imports_late: uwsgi_options::import_in_each_process(&plan.uwsgi_options),
        admin_details: context.config.admin_details,
        warnings: warnings::texts(context),
    }
}
