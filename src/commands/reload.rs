//! A reload inside the running launcher: how the next generation is made.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use super::context::{self, Context};
use super::generation::{self, Sockets};
use super::{log, nginx_test};
use crate::cli::ServiceOptions;
use crate::config::problem::Findings;
use crate::exit::Failure;
use crate::logs::Options;
use crate::machine::User;
use crate::plan::Plan;
use crate::plan::layout::Layout;
use crate::render;
use crate::supervise::command::ReloadAnswer;
use crate::supervise::helper::Helpers;
use crate::supervise::reloading::{Prepare, Prepared};
use crate::sys::files;
use crate::sys::sockets;

/// What runs now, as far as the next generation has to know it.
struct Current {
    nginx: NginxState,
    user: Option<User>,
    /// The mode is the command line's, and the file's is not asked.
    production: bool,
}

/// What nginx was started with: when the next generation's is the same, it stays.
#[derive(Clone, PartialEq)]
struct NginxState {
    layout: Layout,
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// Makes generations from now on. `plan` is the first one's.
pub fn preparer(
    options: ServiceOptions,
    sockets: Sockets,
    plan: &Plan,
    production: bool,
) -> Result<Prepare, Failure> {
    let current = Current {
        nginx: NginxState {
            layout: plan.layout.clone(),
            files: nginx_files(plan)?,
        },
        user: plan.user.clone(),
        production,
    };
    let shared = Rc::new((options, sockets, RefCell::new(current)));
    Ok(Box::new(move |generation, helpers| {
        let shared = Rc::clone(&shared);
        Box::pin(async move {
            let (options, sockets, current) = &*shared;
            let prepared = prepare(options, sockets, current, generation, &helpers).await;
            let (mut prepared, next) = prepared.map_err(|failure| refusal(&failure))?;
            let shared = Rc::clone(&shared);
            prepared.committed = Box::new(move || {
                if let Some(nginx) = next {
                    shared.2.borrow_mut().nginx = nginx;
                }
            });
            Ok(prepared)
        })
    }))
}

/// A failure before anything was started.
fn refusal(failure: &Failure) -> ReloadAnswer {
    let mut text = "reload refused, the service runs on as it is: ".to_owned();
    // Writing to a String cannot fail.
    let _ = write!(text, "{failure}");
    if let Failure::Config(problems) = failure {
        for problem in problems.0.problems() {
            let _ = write!(text, "\n{}", problems.0.show(problem));
        }
    }
    let code = match failure.code() {
        77 | 66 | 78 => 78,
        _ => 75,
    };
    ReloadAnswer { code, text }
}

async fn prepare(
    options: &ServiceOptions,
    sockets: &Sockets,
    current: &RefCell<Current>,
    generation: u32,
    helpers: &Helpers,
) -> Result<(Prepared, Option<NginxState>), Failure> {
    let mut context = context::load(options)?;
    let machine = context.machine();
    let layout = generation::layout(&context, generation);
    let plan = context.plan(&machine, layout, sockets.addresses.clone());
    insist_on_what_stays(
        &context,
        &plan,
        &current.borrow(),
        &mut context.findings.clone(),
    )?;
    context.fail_on_problems()?;
    generation::insist_on_programs(&machine, &context.env)?;
    generation::write(&plan)?;
    let log = log::options(options, &context, &plan);
    let made = make(&context, &plan, log, sockets, current, helpers).await;
    if made.is_err() {
        for canary in [true, false] {
            let layout = Layout {
                canary,
                ..plan.layout.clone()
            };
            files::remove(&layout.folder())?;
        }
    }
    made
}

async fn make(
    context: &Context,
    plan: &Plan,
    log: Options,
    sockets: &Sockets,
    current: &RefCell<Current>,
    helpers: &Helpers,
) -> Result<(Prepared, Option<NginxState>), Failure> {
    if let Some(words) = nginx_test::refused_beside(plan, helpers).await? {
        let mut findings = Findings::default();
        let said = words.replace('\n', "; ");
        findings.problem("", format!("nginx does not accept the configuration: {said}"), "the file that nginx names is a snippet of the service, or rendered (microservice-flask render)");
        return Err(Failure::Config(crate::exit::Problems(findings)));
    }
    let env = generation::variables(context);
    let application = kept(&sockets.application)?;
    sockets::set_backlog(&application, plan.backlog).map_err(|source| Failure::System {
        what: "set the backlog of the application's socket",
        source,
    })?;
    let mut children = vec![generation::uwsgi(plan, application, &env)?];
    let next = next_nginx(plan, &current.borrow().nginx)?;
    if next.is_some() {
        let clients = sockets.clients.iter().map(kept).collect::<Result<_, _>>()?;
        children.push(generation::nginx(plan, clients, &env)?);
    } else {
        crate::sys::files::remove(&plan.layout.nginx())?;
    }
    let prepared = Prepared {
        canary: canary(plan, &env)?,
        children,
        facts: generation::facts(context, plan),
        start_timeout: plan.start_timeout,
        stop_timeout: plan.stop_timeout,
        folder: plan.layout.folder(),
        log,
        committed: Box::new(|| {}),
    };
    Ok((prepared, next))
}

fn kept(socket: &Weak<OwnedFd>) -> Result<Arc<OwnedFd>, Failure> {
    socket
        .upgrade()
        .ok_or_else(|| Failure::Bug("a socket is closed while the service runs".to_owned()))
}

/// What a reload cannot change.
fn insist_on_what_stays(
    context: &Context,
    plan: &Plan,
    current: &Current,
    findings: &mut Findings,
) -> Result<(), Failure> {
    if context.config.use_nginx == Some(false) && !current.production {
        findings.problem(
            format!("/{}", context.config.mode_key),
            "false means development, and this service runs in production",
            "restart it to change the mode",
        );
    }
    if plan.user != current.user && !findings.has_problems() {
        let at = context
            .config
            .user
            .as_ref()
            .map_or("/nginx_config/user", |user| user.at.as_str());
        findings.problem(
            at,
            "a reload cannot change the user: it owns the application's socket",
            "restart the service",
        );
    }
    if findings.has_problems() {
        return Err(Failure::Config(crate::exit::Problems(findings.clone())));
    }
    Ok(())
}

/// One process of the application on a socket of its own, tried first when there is something to try it with.
fn canary(
    plan: &Plan,
    env: &crate::parts::Variables,
) -> Result<Option<crate::supervise::child::ChildPlan>, Failure> {
    if plan.health_check_path.is_none() {
        return Ok(None);
    }
    let layout = Layout {
        canary: true,
        ..plan.layout.clone()
    };
    let plan = Plan {
        layout,
        processes: 1,
        threads: 1,
        slots: 1,
        ..plan.clone()
    };
    generation::write(&plan)?;
    let socket = sockets::unix(
        &plan.layout.app_socket(),
        16,
        0o660,
        generation::owner(&plan),
    )?;
    let mut child = generation::uwsgi(&plan, Arc::new(socket.into()), env)?;
    child.name = "uwsgi (canary)";
    child.folder = plan.layout.folder();
    Ok(Some(child))
}

/// The next state of nginx; none when it would be the same as the present one.
fn next_nginx(plan: &Plan, present: &NginxState) -> Result<Option<NginxState>, Failure> {
    let in_place = Plan {
        layout: present.layout.clone(),
        ..plan.clone()
    };
    if nginx_files(&in_place)? == present.files {
        return Ok(None);
    }
    Ok(Some(NginxState {
        layout: plan.layout.clone(),
        files: nginx_files(plan)?,
    }))
}

/// Everything that nginx reads: rendered files, and the service's snippets with what is in them.
fn nginx_files(plan: &Plan) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    let rendered = render::render(plan)?
        .into_iter()
        .filter(|file| file.path.starts_with("nginx"));
    let mut files: Vec<(PathBuf, Vec<u8>)> = rendered
        .map(|file| (file.path, file.text.into_bytes()))
        .collect();
    for snippet in plan.http_snippets.iter().chain(&plan.server_snippets) {
        files.push((snippet.clone(), std::fs::read(snippet).unwrap_or_default()));
    }
    Ok(files)
}
