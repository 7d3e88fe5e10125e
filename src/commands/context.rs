//! From what was typed to a plan: the steps that `run`, `check` and `render` share.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::ServiceOptions;
use crate::config::locate::{self, Env, Service, ServiceQuery};
use crate::config::problem::Findings;
use crate::config::{self, Config};
use crate::exit::{Failure, Problems};
use crate::machine::{self, Machine, Wanted};
use crate::plan::layout::Layout;
use crate::plan::{self, DEFAULT_USER, Plan, PlanInput};
use crate::runtime_dir::RuntimeDirs;

/// A service that was found and read.
#[derive(Clone, Debug)]
pub struct Context {
    /// The service.
    pub service: Service,
    /// What it asks for.
    pub config: Config,
    /// What is wrong with that, so far.
    pub findings: Findings,
    /// The environment as it was at the start.
    pub env: Env,
    /// The runtime folder.
    pub runtime: PathBuf,
    /// Whether it is ours to choose and among the folders of others.
    pub is_among_others: bool,
}

/// Reads the environment: the only place that does, beside clap.
pub fn whole_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// The environment as far as it is text, which is what the launcher itself looks at.
pub fn environment() -> Env {
    whole_environment()
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Whether a variable is set, to nothing.
pub fn is_empty_variable(name: &OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Finds the service and reads its configuration.
pub fn load(options: &ServiceOptions) -> Result<Context, Failure> {
    let env = environment();
    let query = ServiceQuery {
        app: options.app.clone(),
        name: options.name.clone(),
        env: options.env.clone().filter(|env| !env.is_empty()),
        config: options.config.clone(),
    };
    let service = locate::find_service(&query, &env)?;
    let (file, text) = match &service.config {
        Some((file, text)) => (Some(file.clone()), Some(text.as_str())),
        None => (None, None),
    };
    let (config, mut findings) = config::load(file, text);
    if let Some(missing) = &service.missing_env {
        findings.warning("", missing.what(), missing.hint());
    }
    let dirs = runtime_dirs(options, &env);
    let runtime = dirs.choose();
    let is_among_others = dirs.is_shared(&runtime);
    Ok(Context {
        service,
        config,
        findings,
        env,
        runtime,
        is_among_others,
    })
}

/// What decides where the runtime folder is: the command line, and the environment.
pub(crate) fn runtime_dirs(options: &ServiceOptions, env: &Env) -> RuntimeDirs {
    RuntimeDirs {
        asked: options.runtime_dir.clone(),
        session: env.get("XDG_RUNTIME_DIR").map(PathBuf::from),
    }
}

impl Context {
    /// The facts of this machine.
    pub fn machine(&self) -> Machine {
        let default = vec!["static"];
        let statics: Vec<&str> = match &self.config.statics {
            Some(set) => set
                .value
                .iter()
                .map(|mapping| mapping.folder.as_str())
                .collect(),
            None => default,
        };
        let path = OsString::from(self.env.get("PATH").cloned().unwrap_or_default());
        machine::probe(&Wanted {
            root: &self.service.root,
            user: self
                .config
                .user
                .as_ref()
                .map_or(DEFAULT_USER, |user| &user.value),
            statics: &statics,
            uwsgi_options: !self.config.uwsgi_options.is_empty(),
            path: &path,
        })
    }

    /// The plan for a runtime folder and addresses; what does not fit joins the findings.
    pub fn plan(&mut self, machine: &Machine, layout: Layout, listen: Vec<SocketAddr>) -> Plan {
        let input = PlanInput {
            name: self.service.name.clone(),
            root: self.service.root.clone(),
            listen,
            layout,
        };
        plan::plan(input, &self.config, machine, &mut self.findings)
    }

    /// Fails when there are problems.
    pub fn fail_on_problems(&self) -> Result<(), Failure> {
        if self.findings.has_problems() {
            return Err(Failure::Config(Problems(self.findings.clone())));
        }
        Ok(())
    }
}

/// The addresses for clients, as typed.
pub fn listen(options: &ServiceOptions) -> Vec<SocketAddr> {
    let mut list: Vec<SocketAddr> = Vec::new();
    for address in &options.listen {
        if !list.contains(&address.0) {
            list.push(address.0);
        }
    }
    list
}
