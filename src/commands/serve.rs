//! `run` in production: load, plan, bind, write, supervise, drain.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::{control_socket, end, findings, log};
use crate::cli::{AdminAddr, ServiceOptions};
use crate::context::{self, Context};
use crate::control::callers::Rights;
use crate::control::health::HealthChecks;
use crate::control::routes::Site;
use crate::exit::Failure;
use crate::generation::children::{self, SharedSockets};
use crate::generation::maker::Maker;
use crate::generation::runtime_folder::{self, Claimed};
use crate::generation::{environment, files, warnings};
use crate::host::home::Home;
use crate::http::server;
use crate::logs::Logs;
use crate::logs::observed::Observer;
use crate::plan::Plan;
use crate::plan::sandbox::Protection;
use crate::programs::nginx::config_test;
use crate::programs::nginx::disk_watch::DiskWatch;
use crate::programs::nginx::slow_watch;
use crate::queue::RequestQueue;
use crate::stacks::ask::StackReader;
use crate::supervise::commands;
use crate::supervise::machine::outcome::Outcome;
use crate::supervise::run::runner::Runner;
use crate::supervise::run::setup::Setup;
use crate::sys::left_behind;
use crate::sys::process;
use crate::sys::rights;
use crate::sys::runtime;
use crate::sys::short_programs::ShortPrograms;
use crate::sys::signals::Signals;
use crate::sys::sockets::{self, BindError, Tcp};
use crate::telemetry::counting::Counting;
use crate::telemetry::pace::Pace;
use crate::telemetry::reports::Reports;
use crate::telemetry::sampler::Sampler;

/// TCP sockets that are bound before a child is started.
struct Bound {
    clients: Vec<Tcp>,
    admin: Option<Tcp>,
}

/// Everything that is prepared before a child is started.
struct Prepared {
    plan: Plan,
    bound: Bound,
    /// The application's socket.
    application: UnixListener,
    /// The socket for commands.
    control: Result<UnixListener, BindError>,
    /// Bytes that were free where the runtime folder is.
    disk_free: Option<u64>,
    runtime: Claimed,
}

/// Serves until a stop is requested or the service fails. `production`: whether `--production` was given.
pub(crate) fn serve(
    options: &ServiceOptions,
    mut context: Context,
    started: Instant,
    production: bool,
) -> Result<(), Failure> {
    let prepared = runtime::block_on(prepare(options, &mut context))??;
    let Prepared {
        plan,
        bound,
        application,
        control,
        disk_free,
        runtime,
    } = prepared;
    rights::give_up_capabilities(false).map_err(Failure::system("give up capabilities"))?;
    process::become_subreaper();
    let counting = Arc::new(Counting::new(started));
    let observer: Arc<dyn Observer> = Arc::<Counting>::clone(&counting);
    let (format, level) = (log::format(options, &context), log::level(options));
    let logs = log::start(format, level, &plan, observer)?;
    announce(&context, &plan);
    for error in &runtime.left {
        tracing::warn!(%error, "Cannot remove all of an earlier run.");
    }
    let application: Arc<OwnedFd> = Arc::new(application.into());
    let addresses: Vec<SocketAddr> = bound.clients.iter().map(|socket| socket.address).collect();
    let mut ports: Vec<u16> = addresses.iter().map(SocketAddr::port).collect();
    ports.sort_unstable();
    ports.dedup();
    let into_fd = |socket: Tcp| Arc::new(OwnedFd::from(socket.into_listener()));
    let clients: Vec<Arc<OwnedFd>> = bound.clients.into_iter().map(into_fd).collect();
    let shared = SharedSockets {
        addresses,
        clients: clients.iter().map(Arc::downgrade).collect(),
        application: Arc::downgrade(&application),
        queue: RequestQueue::new(children::queue_limits(&plan)),
        disk: DiskWatch::new(&plan, files::nginx_owner(&plan)),
        pace: Pace::default(),
    };
    let pace = shared.pace.clone();
    let watch_queue = shared.queue.clone().watch(Weak::clone(&shared.application));
    let watch_disk = shared.disk.clone().run(shared.queue.clone());
    let env = environment::variables(&context);
    let setup = Setup {
        children: vec![
            children::uwsgi(&plan, application, &shared.queue, &pace, &env)?,
            children::nginx(&plan, clients, &pace, &env)?,
        ],
        info: children::info(&context, &plan),
        start_timeout: plan.start_timeout,
        stop_timeout: plan.stop_timeout,
        started,
        maker: Rc::new(Maker::new(
            options.clone(),
            shared,
            &plan,
            disk_free,
            production,
        )?),
    };
    let control = control.inspect_err(|error| {
        tracing::warn!(%error, "No control socket: status and healthcheck will find no launcher.");
    });
    let run = async {
        tokio::task::spawn_local(watch_queue);
        tokio::task::spawn_local(watch_disk);
        let mut runner = Runner::new(setup, logs);
        let accounts = runner.log_accounts();
        let sampler = Sampler::new(started, runner.snapshots(), counting, accounts, pace);
        supervise(runner, sampler.start(), ports, bound.admin, control.ok()).await
    };
    let (outcome, logs) = runtime::block_on(run)??;
    let left = left_behind::end();
    if !left.is_empty() {
        tracing::info!(
            processes = left.join(", "),
            "Processes that the application had left behind were ended."
        );
    }
    end::end(outcome, logs, &plan)
}

/// All steps before the first child is started. The configuration is checked in a dry run first, so that all its
/// problems are printed before a socket is bound or a file is written.
async fn prepare(options: &ServiceOptions, context: &mut Context) -> Result<Prepared, Failure> {
    let programs = ShortPrograms::alone();
    let host = context.host(&programs).await?;
    let layout = context.layout(1);
    let mut dry_run = context.clone();
    dry_run.plan(&host, layout.clone(), context::listen(options));
    if dry_run.findings.has_problems() {
        findings::print(&dry_run.findings);
    }
    dry_run.fail_on_problems()?;
    children::require_programs(&host, &context.env)?;
    let bound = bind(options)?;
    let addresses: Vec<SocketAddr> = bound.clients.iter().map(|socket| socket.address).collect();
    let plan = context.plan(&host, layout, addresses);
    let runtime = runtime_folder::claim(context, &plan)?;
    files::write(&plan)?;
    let clients: Vec<_> = bound.clients.iter().map(AsFd::as_fd).collect();
    if files::has_snippets(&plan)
        && let Some(objections) = config_test::objections(&plan, &clients, &programs).await?
    {
        findings::print(&context.findings);
        findings::print_nginx_objections(&objections);
        return Err(Failure::NginxRefuses);
    }
    let path = plan.layout.app_socket();
    let application = sockets::unix(&path, plan.queue_places, 0o660, files::socket_owner(&plan))?;
    Ok(Prepared {
        plan,
        bound,
        application,
        control: control_socket::bind(context),
        disk_free: host.disk_free,
        runtime,
    })
}

fn bind(options: &ServiceOptions) -> Result<Bound, Failure> {
    let mut clients = Vec::new();
    for address in context::listen(options) {
        clients.push(sockets::tcp(address)?);
    }
    let admin = match options.admin {
        AdminAddr::Off => None,
        AdminAddr::At(address) => Some(sockets::tcp(address)?),
    };
    Ok(Bound { clients, admin })
}

/// Logs the first record, and the warnings about the configuration.
fn announce(context: &Context, plan: &Plan) {
    tracing::info!(
        service = plan.name,
        version = env!("CARGO_PKG_VERSION"),
        folder = %plan.root.display(),
        config = context.config.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string()),
        slots = plan.slots,
        processes = plan.processes,
        threads = plan.threads,
        "Starting in production."
    );
    let sandbox = &plan.sandbox;
    if !(sandbox.landlock.is_on() && sandbox.seccomp.is_on()) {
        tracing::info!(
            landlock = %sandbox.landlock,
            seccomp = %sandbox.seccomp,
            "A part of the sandbox is off: the application is held back only by its user and the container."
        );
    }
    if let Protection::OnBut(_, folder) = &sandbox.landlock {
        tracing::info!(
            folder = %folder.display(),
            hint = "choose a runtime folder outside of temporary folders (--runtime-dir), such as a tmpfs of its own",
            "The application can change the files of nginx and the launcher: all have one user, and the runtime folder is where the application may write."
        );
    }
    if plan.home == Home::Own {
        tracing::info!(
            home = %plan.layout.home().display(),
            user = plan.worker,
            "The application gets a home folder of its own: its user can write neither to HOME nor to the home folder of \
             /etc/passwd."
        );
    }
    warnings::log(context);
}

async fn supervise(
    mut runner: Runner,
    reports: Reports,
    ports: Vec<u16>,
    admin: Option<Tcp>,
    control: Option<UnixListener>,
) -> Result<(Outcome, Logs), Failure> {
    let refused = |what| move |source| Failure::System { what, source };
    let signals = Signals::new().map_err(refused("handle signals"))?;
    let (commands, receiver) = commands::channel();
    let slow_watch = slow_watch::run(ports, runner.snapshots(), commands.clone());
    tokio::task::spawn_local(slow_watch);
    let checks = Rc::new(HealthChecks::default());
    if let Some(admin) = admin {
        let rights = Rights::ReadOnly(admin.address);
        let listener = tokio::net::TcpListener::from_std(admin.into_listener())
            .map_err(refused("listen for the admin"))?;
        let site = Site::new(
            commands.clone(),
            reports.clone(),
            rights,
            Rc::clone(&checks),
        );
        answer_on(listener, site);
    }
    if let Some(control) = control {
        let listener =
            tokio::net::UnixListener::from_std(control).map_err(refused("listen for commands"))?;
        let stacks = StackReader::new(runner.short_programs());
        let site = Site::new(commands, reports, Rights::Control, checks).with_stacks(stacks);
        answer_on(listener, site);
    }
    Ok(runner.run(signals, receiver).await)
}

fn answer_on<L: server::Listener + 'static>(listener: L, site: Site) {
    let site = Rc::new(site);
    tokio::task::spawn_local(server::serve(listener, move |request| {
        let (site, request) = (Rc::clone(&site), request.into_parts().0);
        async move { site.answer(&request).await }
    }));
}
