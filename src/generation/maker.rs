//! Makes the generation of a reload: reads, validates and plans it, writes its files and tests them.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::children::{self, SharedSockets};
use super::nginx_state::NginxState;
use super::{environment, files, warnings};
use crate::cli::ServiceOptions;
use crate::config::problem::Findings;
use crate::context::{self, Context};
use crate::exit::{Failure, Problems};
use crate::host::Host;
use crate::host::user::User;
use crate::plan::Plan;
use crate::plan::disk_buffer::DiskBuffer;
use crate::plan::layout::Layout;
use crate::plan::sandbox::SandboxPlan;
use crate::programs::nginx::config_test;
use crate::queue::QueueLimits;
use crate::supervise::generation::{GenerationMaker, Made, Settings};
use crate::supervise::machine::outcome::NotMade;
use crate::supervise::program::Answer;
use crate::sys;
use crate::sys::short_programs::ShortPrograms;

const CANNOT_CHANGE_USER: &str = "a reload cannot change a user: log pipes and the application's socket are shared with the generation that serves";

/// The first step of a reload.
const READING: &str = "the configuration is read";

/// Makes generations with the options of the command line.
#[derive(Debug)]
pub(crate) struct Maker {
    options: ServiceOptions,
    sockets: SharedSockets,
    /// `--production` was given, which takes precedence over the configuration.
    production: bool,
    /// Where all generations are.
    runtime: PathBuf,
    /// The users of the application and of nginx, which no reload can change.
    user: Option<User>,
    nginx_user: Option<User>,
    /// What confines the generation that serves.
    sandbox: RefCell<SandboxPlan>,
    /// The same for the generation that was made last.
    next_sandbox: RefCell<SandboxPlan>,
    /// The free space when the launcher started.
    disk_free: Option<u64>,
    /// What the serving nginx was started with.
    nginx: RefCell<NginxState>,
    /// The same for the generation that was made last, when that needs a new nginx.
    next_nginx: RefCell<Option<NginxState>>,
    /// The limits of the generation that was made last.
    next_limits: RefCell<LauncherLimits>,
    /// What is being done, as text for operators.
    step: Cell<&'static str>,
}

/// The limits that the launcher itself keeps, whatever generation serves.
#[derive(Clone, Debug)]
struct LauncherLimits {
    queue: QueueLimits,
    disk: DiskBuffer,
}

impl LauncherLimits {
    fn of(plan: &Plan) -> Self {
        Self {
            queue: children::queue_limits(plan),
            disk: plan.disk.clone(),
        }
    }
}

impl Maker {
    /// `plan` is that of the first generation, `disk_free` the free space that it was made with; `production` is whether
    /// `--production` was given.
    pub(crate) fn new(
        options: ServiceOptions,
        sockets: SharedSockets,
        plan: &Plan,
        disk_free: Option<u64>,
        production: bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            options,
            sockets,
            production,
            runtime: plan.layout.runtime.clone(),
            user: plan.user.clone(),
            nginx_user: plan.nginx_user.clone(),
            sandbox: RefCell::new(plan.sandbox.clone()),
            next_sandbox: RefCell::new(plan.sandbox.clone()),
            disk_free,
            nginx: RefCell::new(NginxState::of(plan)?),
            next_nginx: RefCell::default(),
            next_limits: RefCell::new(LauncherLimits::of(plan)),
            step: Cell::new(READING),
        })
    }

    async fn prepare(&self, generation: u32, programs: &ShortPrograms) -> Result<Made, Failure> {
        self.step.set(READING);
        let mut context = context::load(&self.options)?;
        self.require_same_users(&context)?;
        if !self.production {
            context.require_mode();
        }
        self.step
            .set("nginx, uWSGI and Python are asked for their versions");
        let host = Host {
            // As at the start: nginx would be replaced at each reload only because the free space is another.
            disk_free: self.disk_free,
            ..context.host(programs).await?
        };
        self.step.set("the files of the new generation are written");
        let layout = Layout {
            // The decision where the files are holds for the launcher's life.
            runtime: self.runtime.clone(),
            ..context.layout(generation)
        };
        let plan = context.plan(&host, layout, self.sockets.addresses.clone());
        self.require_reloadable(&context, &plan)?;
        context.fail_on_problems()?;
        warnings::log(&context);
        children::require_programs(&host, &context.env)?;
        files::write(&plan)?;
        let made = self.assemble(&context, &plan, programs).await;
        if made.is_err() {
            for layout in [children::canary_layout(&plan.layout), plan.layout.clone()] {
                if let Err(error) = sys::removal::remove_folder(&layout.folder()) {
                    tracing::warn!(%error, "Cannot remove the files of a generation that was not made.");
                }
            }
        }
        made
    }

    /// The children and the settings of a generation whose files are written.
    async fn assemble(
        &self,
        context: &Context,
        plan: &Plan,
        programs: &ShortPrograms,
    ) -> Result<Made, Failure> {
        let clients: Vec<Arc<OwnedFd>> = self
            .sockets
            .clients
            .iter()
            .map(upgrade)
            .collect::<Result<_, _>>()?;
        let open: Vec<_> = clients.iter().map(|socket| socket.as_fd()).collect();
        self.step.set("nginx -t tests the new configuration");
        if let Some(objections) = config_test::objections(plan, &open, programs).await? {
            return Err(nginx_objects(&objections));
        }
        let env = environment::variables(context);
        let application = upgrade(&self.sockets.application)?;
        let mut list = vec![children::uwsgi(
            plan,
            application,
            &self.sockets.queue,
            &self.sockets.pace,
            &env,
        )?];
        let next_nginx = self.nginx.borrow().next(plan)?;
        if next_nginx.is_some() {
            list.push(children::nginx(plan, clients, &self.sockets.pace, &env)?);
        } else if let Err(error) = sys::removal::remove_folder(&plan.layout.nginx()) {
            tracing::warn!(%error, "Cannot remove files that no nginx needs.");
        }
        self.next_nginx.replace(next_nginx);
        self.next_limits.replace(LauncherLimits::of(plan));
        self.next_sandbox.replace(plan.sandbox.clone());
        Ok(Made {
            canary: children::canary(plan, &env)?,
            children: list,
            start_timeout: plan.start_timeout,
            stop_timeout: plan.stop_timeout,
            settings: Settings {
                info: children::info(context, plan),
                log: plan.log,
                folders: vec![
                    children::canary_layout(&plan.layout).folder(),
                    plan.layout.folder(),
                ],
            },
        })
    }

    /// Fails when the configuration names other users. To be called before the host is probed: programs are asked as these
    /// users, and the application may be able to change its own configuration.
    fn require_same_users(&self, context: &Context) -> Result<(), Failure> {
        let config = &context.config;
        let mut findings = context.findings.clone();
        let mut same = true;
        for (wanted, user) in [
            (&config.user, &self.user),
            (&config.nginx_user, &self.nginx_user),
        ] {
            if let (Some(wanted), Some(user)) = (wanted, user)
                && wanted.value != user.name
            {
                findings.problem(&wanted.at, CANNOT_CHANGE_USER, "restart the service");
                same = false;
            }
        }
        if same {
            return Ok(());
        }
        Err(Failure::Config(Problems(findings)))
    }

    /// Adds a problem when the application can write the configuration, and the configuration gives it more than the
    /// generation that serves has.
    fn refuse_relaxing(&self, plan: &Plan, findings: &mut Findings) {
        let Some(place) = &plan.config_changeable else {
            return;
        };
        if plan.sandbox.relaxes(&self.sandbox.borrow()) {
            findings.problem(
                "/nginx_config",
                format!(
                    "a reload cannot relax the sandbox (landlock, seccomp, writable): the application may change {}, and would let itself out",
                    place.display()
                ),
                format!("restart the service; to reload such changes, chown root {0} && chmod go-w {0}", place.display()),
            );
        }
    }

    /// Fails when the configuration changes what a reload cannot change.
    fn require_reloadable(&self, context: &Context, plan: &Plan) -> Result<(), Failure> {
        let mut findings = context.findings.clone();
        if context.config.use_nginx == Some(false) && !self.production {
            findings.problem(
                format!("/{}", context.config.mode_key),
                "false means development, and this service runs in production",
                "restart it to change the mode",
            );
        }
        // A name that stayed may mean another user by now.
        if (&plan.user, &plan.nginx_user) != (&self.user, &self.nginx_user)
            && !findings.has_problems()
        {
            findings.problem("/nginx_config", CANNOT_CHANGE_USER, "restart the service");
        }
        self.refuse_relaxing(plan, &mut findings);
        if findings.has_problems() {
            return Err(Failure::Config(Problems(findings)));
        }
        Ok(())
    }
}

impl GenerationMaker for Maker {
    fn make(&self, generation: u32, programs: ShortPrograms) -> Answer<'_, Result<Made, NotMade>> {
        Box::pin(async move {
            let made = self.prepare(generation, &programs).await;
            made.map_err(|failure| not_made(&failure))
        })
    }

    fn step(&self) -> &'static str {
        self.step.get()
    }

    fn committed(&self) {
        if let Some(nginx) = self.next_nginx.take() {
            self.nginx.replace(nginx);
        }
        self.sandbox.replace(self.next_sandbox.borrow().clone());
        let next = self.next_limits.borrow();
        self.sockets.queue.set_limits(next.queue);
        self.sockets.disk.set_limits(&next.disk);
    }
}

/// A failure as the reason for which the generation was not made, with all problems of the configuration.
fn not_made(failure: &Failure) -> NotMade {
    let mut text = "reload refused, the service runs on as it is: ".to_owned();
    // Writing to a String cannot fail.
    let _ = write!(text, "{failure}");
    if let Failure::Config(problems) = failure {
        for problem in problems.0.problems() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{}", problems.0.show(problem));
        }
    }
    NotMade {
        invalid: failure.is_of_the_service(),
        text,
    }
}

/// The errors of `nginx -t` as a problem of the configuration.
fn nginx_objects(objections: &str) -> Failure {
    let mut findings = Findings::default();
    let objections = objections.replace('\n', "; ");
    findings.problem(
        "",
        format!("nginx does not accept the configuration: {objections}"),
        "the file that nginx names is a snippet of the service, or rendered (microservice-flask render)",
    );
    Failure::Config(Problems(findings))
}

fn upgrade(socket: &Weak<OwnedFd>) -> Result<Arc<OwnedFd>, Failure> {
    socket
        .upgrade()
        .ok_or_else(|| Failure::Bug("a socket is closed while the service runs".to_owned()))
}
