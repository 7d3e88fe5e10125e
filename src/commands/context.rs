//! From what was typed to a plan: the steps that `run`, `check` and `render` share.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::cli::ServiceOptions;
use crate::config::hermes::{self, Env, Service};
use crate::config::problem::Findings;
use crate::config::{self, Config};
use crate::exit::{Failure, Problems};
use crate::host::{self, Host, ProbeRequest};
use crate::plan::layout::Layout;
use crate::plan::{self, DEFAULT_USER, Plan};
use crate::sys::files;

/// Folder of the runtime files below /run, $XDG_RUNTIME_DIR or /tmp.
const RUNTIME_NAME: &str = "microservice-flask";

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
    let request = hermes::Request {
        app: options.app.clone(),
        name: options.name.clone(),
        env: options.env.clone().filter(|env| !env.is_empty()),
        config: options.config.clone(),
    };
    let service = hermes::locate(&request, &env)?;
    let (file, text) = match &service.config {
        Some((file, text)) => (Some(file.clone()), Some(text.as_str())),
        None => (None, None),
    };
    let (config, mut findings) = config::load(file, text);
    if let Some(missing) = &service.missing_env {
        findings.warning("", missing.what(), missing.hint());
    }
    let runtime = runtime_folder(options, &env);
    let is_among_others =
        options.runtime_dir.is_none() && runtime == folder_in_tmp(nix::unistd::geteuid().as_raw());
    Ok(Context {
        service,
        config,
        findings,
        env,
        runtime,
        is_among_others,
    })
}

/// The runtime folder: as asked for, else the first of the usual ones that can be written.
pub fn runtime_folder(options: &ServiceOptions, env: &Env) -> PathBuf {
    if let Some(folder) = &options.runtime_dir {
        return std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    }
    let own = own_folders(env, nix::unistd::geteuid().as_raw());
    let writable = own.iter().find(|folder| files::is_writable(folder));
    writable.or(own.last()).cloned().unwrap_or_default()
}

/// The folders of which `run` takes the first that it can write; the last one works unless others have taken it.
fn own_folders(env: &Env, uid: u32) -> Vec<PathBuf> {
    let session = env
        .get("XDG_RUNTIME_DIR")
        .map(Path::new)
        .filter(|dir| dir.is_absolute());
    let mut folders = vec![Path::new("/run").join(RUNTIME_NAME)];
    folders.extend(session.map(|dir| dir.join(RUNTIME_NAME)));
    folders.push(folder_in_tmp(uid));
    folders
}

/// /tmp belongs to everyone: the user's number keeps two users apart.
fn folder_in_tmp(uid: u32) -> PathBuf {
    Path::new("/tmp").join(format!("{RUNTIME_NAME}-{uid}"))
}

/// Where a running launcher may be found: the folder that was asked for, else all the usual ones, and those of other
/// users in /tmp.
pub fn asked_folders(options: &ServiceOptions, env: &Env) -> Vec<PathBuf> {
    if options.runtime_dir.is_some() {
        return vec![runtime_folder(options, env)];
    }
    let uid = nix::unistd::geteuid().as_raw();
    let mut folders = own_folders(env, uid);
    let in_tmp = folder_in_tmp(uid);
    folders.retain(|folder| *folder != in_tmp || !folder.exists() || is_its_owners(folder));
    let mut others = others_folders(Path::new("/tmp"));
    others.retain(|folder| !folders.contains(folder));
    others.sort();
    folders.append(&mut others);
    folders
}

/// Folders in /tmp that users' launchers made: the number in the name must be the owner's, so that nobody is asked
/// under another's name.
fn others_folders(tmp: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(tmp) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| is_its_owners(path))
        .collect()
}

/// Whether a folder in /tmp belongs to the user whose number it bears: anybody may make one by any name.
fn is_its_owners(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let uid = name
        .strip_prefix(RUNTIME_NAME)
        .and_then(|rest| rest.strip_prefix('-'));
    path.symlink_metadata()
        .is_ok_and(|meta| meta.is_dir() && uid == Some(meta.uid().to_string().as_str()))
}

impl Context {
    /// Probes this host for what the plan depends on.
    pub fn host(&self) -> Host {
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
        host::probe(&ProbeRequest {
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
    pub fn plan(&mut self, host: &Host, layout: Layout, listen: Vec<SocketAddr>) -> Plan {
        let request = plan::PlanInput {
            name: self.service.name.clone(),
            root: self.service.root.clone(),
            listen,
            layout,
        };
        plan::plan(request, &self.config, host, &mut self.findings)
    }

    /// Fails when there are problems.
    pub fn insist(&self) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_tried_in_their_order() {
        let env = Env::from([("XDG_RUNTIME_DIR".to_owned(), "/run/user/7".to_owned())]);
        let folders: Vec<_> = own_folders(&env, 7)
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            folders,
            [
                "/run/microservice-flask",
                "/run/user/7/microservice-flask",
                "/tmp/microservice-flask-7"
            ]
        );
    }

    #[test]
    fn a_folder_under_another_users_name_is_not_asked() {
        let tmp = tempfile::tempdir().unwrap();
        let uid = nix::unistd::geteuid().as_raw();
        let own = tmp.path().join(format!("microservice-flask-{uid}"));
        std::fs::create_dir(&own).unwrap();
        std::fs::create_dir(tmp.path().join(format!("microservice-flask-{}", uid + 1))).unwrap();
        std::fs::create_dir(tmp.path().join("microservice-flask")).unwrap();
        assert_eq!(others_folders(tmp.path()), [own]);
    }
}
