//! The steps from the command line to a plan, shared by `run`, `check`, `render` and a reload.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::ServiceOptions;
use crate::config::locate::{self, Env, Service, ServiceQuery};
use crate::config::problem::Findings;
use crate::config::{self, Config, mode};
use crate::exit::{Failure, Problems};
use crate::host::{self, Host, ProbeRequest};
use crate::plan::layout::Layout;
use crate::plan::users::DEFAULT_USER;
use crate::plan::{self, Plan, PlanInput};
use crate::runtime_dir::{RuntimeDirs, work_folder};
use crate::sys::short_programs::ShortPrograms;
use crate::sys::{files, rights};

/// A service with its configuration, before planning.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The service's folder, name and config.json.
    pub(crate) service: Service,
    /// Values of config.json; defaults where it has problems.
    pub(crate) config: Config,
    /// Problems and warnings so far; planning adds more.
    pub(crate) findings: Findings,
    /// Environment variables at the start, as far as they are UTF-8.
    pub(crate) env: Env,
    /// Whether programs may run as root (`--allow-root`).
    pub(crate) allow_root: bool,
    /// The runtime folder, without links as far as it exists.
    pub(crate) runtime: PathBuf,
    /// The same path as it was given.
    pub(crate) given_runtime: PathBuf,
    /// Whether the runtime folder is the default in /tmp, where other users may create files too.
    pub(crate) is_among_others: bool,
}

/// All environment variables. Besides clap, only this file reads the environment.
pub(crate) fn whole_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Environment variables whose name and value are UTF-8; the launcher itself reads no others.
pub(crate) fn environment() -> Env {
    whole_environment()
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Whether a variable is set to the empty text.
pub(crate) fn is_empty_variable(name: &OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Finds the service and reads its config.json. Problems of the configuration are findings, not errors.
pub(crate) fn load(options: &ServiceOptions) -> Result<Context, Failure> {
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
        let add = if missing.is_certain {
            Findings::problem
        } else {
            Findings::warning
        };
        add(
            &mut findings,
            "$MICROSERVICE_ENV",
            missing.what(),
            missing.hint(),
        );
    }
    let dirs = runtime_dirs(options, &env);
    let given_runtime = dirs.choose();
    let is_among_others = dirs.is_shared(&given_runtime);
    // From now on nobody who may change a link on the way moves the launcher to another folder.
    let runtime = if is_among_others {
        given_runtime.clone()
    } else {
        files::without_links(&given_runtime)
    };
    Ok(Context {
        service,
        config,
        findings,
        env,
        allow_root: options.allow_root,
        given_runtime,
        runtime,
        is_among_others,
    })
}

/// The inputs that decide where the runtime folder is: `--runtime-dir` and `XDG_RUNTIME_DIR`.
pub(crate) fn runtime_dirs(options: &ServiceOptions, env: &Env) -> RuntimeDirs {
    RuntimeDirs {
        asked: options.runtime_dir.clone(),
        session: env.get("XDG_RUNTIME_DIR").map(PathBuf::from),
    }
}

impl Context {
    /// Probes this host for what the plan depends on.
    pub(crate) async fn host(&self, programs: &ShortPrograms) -> Result<Host, Failure> {
        if let Some(missing) = rights::missing() {
            return Err(Failure::NoRights(missing));
        }
        let default = vec!["static"];
        let statics: Vec<&str> = match &self.config.statics {
            Some(set) => set
                .value
                .iter()
                .map(|mapping| mapping.folder.as_str())
                .collect(),
            None => default,
        };
        let env = whole_environment();
        let request = ProbeRequest {
            root: &self.service.root,
            user: self
                .config
                .user
                .as_ref()
                .map_or(DEFAULT_USER, |user| &user.value),
            nginx_user: self
                .config
                .nginx_user
                .as_ref()
                .map(|user| user.value.as_str()),
            config: self.config.file.as_deref(),
            allow_root: self.allow_root,
            runtime: &self.runtime,
            statics: &statics,
            writable: &self.config.writable.value,
            uwsgi_options: !self.config.uwsgi_options.is_empty(),
            env: &env,
        };
        Ok(host::probe(&request, programs).await)
    }

    /// The paths of a generation's files.
    pub(crate) fn layout(&self, generation: u32) -> Layout {
        Layout {
            runtime: work_folder(&self.runtime),
            generation,
            canary: false,
        }
    }

    /// Plans the service. Problems that only the host shows are added to the findings.
    pub(crate) fn plan(&mut self, host: &Host, layout: Layout, listen: Vec<SocketAddr>) -> Plan {
        let input = PlanInput {
            name: self.service.name.clone(),
            root: self.service.root.clone(),
            listen,
            layout,
            allow_root: self.allow_root,
        };
        plan::plan(input, &self.config, host, &mut self.findings)
    }

    /// Adds a problem when only the default says that an environment with a name of production is development. Not for
    /// a `run` with `--production` or `--dev`.
    pub(crate) fn require_mode(&mut self) {
        mode::require_for_production(
            &self.config,
            self.service.env.as_deref(),
            &self.service.config_path,
            &mut self.findings,
        );
    }

    /// Fails if any finding is a problem; warnings do not count.
    pub(crate) fn fail_on_problems(&self) -> Result<(), Failure> {
        if self.findings.has_problems() {
            return Err(Failure::Config(Problems(self.findings.clone())));
        }
        Ok(())
    }
}

/// The addresses of `--listen` without duplicates, in the order given.
pub(crate) fn listen(options: &ServiceOptions) -> Vec<SocketAddr> {
    let mut list: Vec<SocketAddr> = Vec::new();
    for address in &options.listen {
        if !list.contains(&address.0) {
            list.push(address.0);
        }
    }
    list
}
