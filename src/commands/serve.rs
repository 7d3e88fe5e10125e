//! `run` in production: load, plan, bind, write, supervise, drain.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::context::{self, Context};
use super::generation::{self, Sockets};
use super::{findings, log, nginx_test, reload};
use crate::cli::{AdminAddr, ServiceOptions};
use crate::config::problem::Severity;
use crate::console::print_error;
use crate::control::routes::{self, Rights};
use crate::exit::Failure;
use crate::http::server;
use crate::logs::{Level, Logs};
use crate::plan::Plan;
use crate::plan::layout;
use crate::supervise::backoff;
use crate::supervise::command::{self, Commands};
use crate::supervise::runner::{Ended, Runner, Setup};
use crate::supervise::state::Outcome;
use crate::sys::process;
use crate::sys::runtime;
use crate::sys::signals::Signals;
use crate::sys::sockets::{self, Tcp};

/// How long the last lines of the log may take.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// Everything that is bound before a child exists.
struct Bound {
    clients: Vec<Tcp>,
    admin: Option<Tcp>,
}

/// Serves until asked to stop. `production`: the command line says so, whatever the file says.
pub fn serve(
    options: &ServiceOptions,
    mut context: Context,
    started: Instant,
    production: bool,
) -> Result<(), Failure> {
    let machine = context.machine();
    // Everything that is wrong is told before the first thing is done.
    let layout = generation::layout(&context, 1);
    let mut dry_run = context.clone();
    dry_run.plan(&machine, layout.clone(), context::listen(options));
    if dry_run.findings.has_problems() {
        findings::print(&dry_run.findings);
    }
    dry_run.fail_on_problems()?;
    generation::insist_on_programs(&machine, &context.env)?;
    let bound = bind(options)?;
    let addresses: Vec<SocketAddr> = bound.clients.iter().map(|socket| socket.address).collect();
    let plan = context.plan(&machine, layout, addresses.clone());
    let _lock = generation::claim(&context, &plan)?;
    generation::write(&plan)?;
    if generation::has_snippets(&plan)
        && let Some(words) = nginx_test::refused(&plan)?
    {
        findings::print(&context.findings);
        findings::print_nginx_objections(&words);
        return Err(Failure::NginxRefuses);
    }
    let path = plan.layout.app_socket();
    let application = sockets::unix(&path, plan.backlog, 0o660, generation::owner(&plan))?;
    process::adopt_orphans();

    let logs = log::start(log::options(options, &context, &plan), &plan)?;
    announce(&context, &plan);
    let application: Arc<OwnedFd> = Arc::new(application.into());
    let into_fd = |socket: Tcp| Arc::new(OwnedFd::from(socket.into_listener()));
    let clients: Vec<Arc<OwnedFd>> = bound.clients.into_iter().map(into_fd).collect();
    let sockets = Sockets {
        addresses,
        clients: clients.iter().map(Arc::downgrade).collect(),
        application: Arc::downgrade(&application),
    };
    let env = generation::variables(&context);
    let children = vec![
        generation::uwsgi(&plan, application, &env)?,
        generation::nginx(&plan, clients, &env)?,
    ];
    let setup = Setup {
        facts: generation::facts(&context, &plan),
        start_timeout: plan.start_timeout,
        stop_timeout: plan.stop_timeout,
        started,
        plans: children,
        prepare: reload::preparer(options.clone(), sockets, &plan, production)?,
    };
    let control = control_socket(&plan);
    let ended = runtime::block_on(supervise(setup, logs, bound.admin, control))
        .map_err(Failure::system("start the event loop"))??;
    process::kill_everything_else();
    end(ended, &plan)
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

/// The first record, and the warnings about the configuration.
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
    for finding in &context.findings.list {
        if finding.severity == Severity::Warning {
            tracing::warn!(
                at = context.findings.place(finding),
                hint = finding.hint,
                "Configuration: {}.",
                finding.what
            );
        }
    }
}

/// The control socket. Without it `status` and the like do not work, but the service does.
fn control_socket(plan: &Plan) -> Option<std::os::unix::net::UnixListener> {
    match sockets::unix(
        &layout::control_socket(&plan.layout.runtime),
        16,
        0o600,
        None,
    ) {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(%error, "No control socket: status and healthcheck will find no launcher.");
            None
        }
    }
}

async fn supervise(
    setup: Setup,
    logs: Logs,
    admin: Option<Tcp>,
    control: Option<std::os::unix::net::UnixListener>,
) -> Result<Ended, Failure> {
    let refused = |what| move |source| Failure::System { what, source };
    let signals = Signals::new().map_err(refused("handle signals"))?;
    let (commands, receiver) = command::channel();
    if let Some(admin) = admin {
        let listener = tokio::net::TcpListener::from_std(admin.into_listener())
            .map_err(refused("listen for the admin"))?;
        answer_on(listener, commands.clone(), Rights::ReadOnly);
    }
    if let Some(control) = control {
        let listener =
            tokio::net::UnixListener::from_std(control).map_err(refused("listen for commands"))?;
        answer_on(listener, commands.clone(), Rights::Control);
    }
    Ok(Runner::new(setup, logs).run(signals, receiver).await)
}

fn answer_on<L: server::Listener + 'static>(listener: L, commands: Commands, rights: Rights) {
    tokio::task::spawn_local(server::serve(listener, move |request| {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        routes::answer(method, path, commands.clone(), rights)
    }));
}

/// The last words: what the log lost, and who is to blame.
fn end(ended: Ended, plan: &Plan) -> Result<(), Failure> {
    let text = verdict(&ended, plan);
    let outcome = ended.outcome;
    let level = match outcome {
        Outcome::Asked | Outcome::Cut => Level::Info,
        Outcome::Killed(_)
        | Outcome::Forced
        | Outcome::NotReady(_)
        | Outcome::FailedToStart(..)
        | Outcome::CannotRun(..)
        | Outcome::CrashedTooOften(..) => Level::Error,
    };
    let summary = ended.logs.finish_with(LOG_PATIENCE, level, &text);
    if !summary.complete {
        let lost = summary.counters.dropped();
        print_error(&format!(
            "microservice-flask: {} log lines ({} bytes) were lost\n",
            lost.lines, lost.bytes
        ));
    }
    match outcome {
        Outcome::Asked | Outcome::Cut => Ok(()),
        Outcome::Killed(_)
        | Outcome::Forced
        | Outcome::NotReady(_)
        | Outcome::FailedToStart(..)
        | Outcome::CannotRun(..)
        | Outcome::CrashedTooOften(..) => Err(Failure::Ended { outcome, text }),
    }
}

fn verdict(ended: &Ended, plan: &Plan) -> String {
    let name = |id: usize| ended.names.get(id).copied().unwrap_or("a child");
    // Whoever calls os._exit() in the import says nothing.
    let reason = "If it gave a reason, that stands above.";
    match ended.outcome {
        Outcome::Asked => "Stopped, as asked.".to_owned(),
        Outcome::Cut => {
            "Stopped at once, as asked a second time: requests under way were cut.".to_owned()
        }
        Outcome::Forced => "Killed, as asked a third time.".to_owned(),
        // It waits for its clients, and they for the application.
        Outcome::Killed(id) if name(id) == "nginx" => format!(
            "Stopped by force after {} s (stop_timeout): nginx had not ended, which waits for requests under way; they were cut.",
            plan.stop_timeout.as_secs_f64()
        ),
        Outcome::Killed(id) => format!(
            "Stopped by force: {} did not end in time and was killed (stop_timeout is {} s).",
            name(id),
            plan.stop_timeout.as_secs_f64()
        ),
        Outcome::NotReady(id) => format!(
            "Gave up: {} was not ready within {} s (start_timeout){}.",
            name(id),
            plan.start_timeout.as_secs_f64(),
            ended
                .lacking
                .as_ref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default()
        ),
        Outcome::FailedToStart(id, exit) if name(id) == "uwsgi" => format!(
            "Gave up: the application in {} could not be started; uWSGI ended with {exit}. {reason}",
            plan.root.join("src").display()
        ),
        Outcome::FailedToStart(id, exit) => {
            format!(
                "Gave up: {} ended with {exit} before it was ready. {reason}",
                name(id)
            )
        }
        Outcome::CannotRun(id, _) => format!(
            "Gave up: {} cannot be run. The reason stands above.",
            name(id)
        ),
        Outcome::CrashedTooOften(id, exit) => {
            format!(
                "Gave up: {} has crashed {}, the last time with {exit}.",
                name(id),
                backoff::budget()
            )
        }
    }
}
