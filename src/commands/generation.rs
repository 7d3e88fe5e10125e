//! One generation of configuration: its folder, its files, its children. The first one and each reload make one.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Weak};

use nix::fcntl::Flock;

use super::context::{self, Context};
use crate::config::locate::Env;
use crate::exit::Failure;
use crate::machine::programs::{self, Python};
use crate::machine::{Machine, access};
use crate::parts::{self, Variables};
use crate::plan::Plan;
use crate::plan::layout::Layout;
use crate::render::{self, Rendered};
use crate::status::PlanSummary;
use crate::supervise::child::ChildPlan;
use crate::supervise::report::Facts;
use crate::sys::files::{self, Lock, Owner};

/// The sockets that all generations share. Those who serve keep them; when nobody does, they are closed.
#[derive(Debug)]
pub struct Sockets {
    /// Addresses for clients, as bound.
    pub addresses: Vec<SocketAddr>,
    /// The sockets for clients.
    pub clients: Vec<Weak<OwnedFd>>,
    /// The application's socket.
    pub application: Weak<OwnedFd>,
}

/// Where a generation's files are.
pub fn layout(context: &Context, generation: u32) -> Layout {
    Layout {
        runtime: context.runtime.clone(),
        generation,
        canary: false,
    }
}

/// Fails when a program is missing, with what installs it.
pub fn insist_on_programs(machine: &Machine, env: &Env) -> Result<(), Failure> {
    let path = OsString::from(env.get("PATH").cloned().unwrap_or_default());
    let missing = |program, hint: &str| {
        if let Some(file) = programs::not_executable(program, &path) {
            return Err(Failure::NotExecutable(file));
        }
        // It is there and was asked, and has told nothing.
        if let Some(file) = programs::find(program, &path) {
            return Err(Failure::NotAProgram(file));
        }
        Err(Failure::Missing {
            program,
            hint: hint.to_owned(),
        })
    };
    if machine.nginx.is_none() {
        return missing("nginx", "apt-get install nginx-light");
    }
    match &machine.uwsgi {
        None => missing("uwsgi", "apt-get install uwsgi-core uwsgi-plugin-python3"),
        Some(uwsgi) if uwsgi.python == Python::Missing => missing(
            "uWSGI's plugin python3",
            "apt-get install uwsgi-plugin-python3",
        ),
        Some(_) => Ok(()),
    }
}

/// The user and group of the workers, when the launcher is root.
pub fn owner(plan: &Plan) -> Option<Owner> {
    plan.user.as_ref().map(|user| (user.uid, user.gid))
}

/// Whether the service brings files for nginx, which nginx has to take.
pub fn has_snippets(plan: &Plan) -> bool {
    !(plan.server_snippets.is_empty() && plan.http_snippets.is_empty())
}

/// Takes the runtime folder for this launcher, and removes what an earlier one has left in it. It holds the module that
/// runs the application: whoever could write it could run anything.
pub fn claim(context: &Context, plan: &Plan) -> Result<Flock<File>, Failure> {
    let runtime = &plan.layout.runtime;
    if !context.is_among_others {
        files::make(runtime)?;
    } else if let Some(what) = files::make_among_others(runtime)? {
        return Err(Failure::Closed {
            what,
            hint: "remove it".to_owned(),
        });
    }
    if let Some(user) = &plan.user
        && let Some(closed) = access::first_closed(runtime, &[], user)
    {
        return Err(Failure::Closed {
            what: format!("the user {} {}", user.name, closed.what()),
            hint: closed.hint(),
        });
    }
    match files::lock(&runtime.join("lock"))? {
        Lock::Ours(lock) => {
            remove_all(runtime)?;
            Ok(lock)
        }
        Lock::Theirs(pid) => Err(Failure::Occupied {
            folder: runtime.clone(),
            pid,
        }),
    }
}

/// Makes the folders of a generation and writes its files. What is there by that name must be a launcher's.
pub fn write(plan: &Plan) -> Result<(), Failure> {
    let folder = plan.layout.folder();
    if folder.symlink_metadata().is_ok() && !is_a_launchers(&folder) {
        return Err(Failure::Foreign(folder));
    }
    let rendered = render::render(plan)?;
    let written = fill(plan, &rendered);
    if written.is_err() {
        // Half a generation would look like somebody else's folder to the next launcher.
        files::remove(&folder)?;
    }
    written
}

fn fill(plan: &Plan, rendered: &[Rendered]) -> Result<(), Failure> {
    let layout = &plan.layout;
    files::remove(&layout.folder())?;
    files::folder(&layout.folder(), 0o755, None)?;
    files::folder(&layout.nginx(), 0o755, None)?;
    files::folder(&layout.nginx().join("temp"), 0o755, None)?;
    for file in rendered {
        files::write_below(&layout.folder(), &file.path, &file.text)?;
    }
    // Handed over last: what root writes into a folder of another user's, that user may have led elsewhere by a link.
    files::folder(&layout.uwsgi(), 0o755, owner(plan))?;
    Ok(())
}

/// Whether a folder is a generation's: it holds what a launcher writes, or nothing.
fn is_a_launchers(folder: &Path) -> bool {
    let real = folder.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    real && (folder.join("uwsgi/uwsgi.ini").is_file()
        || folder.join("nginx/nginx.conf").is_file()
        || files::holds_nothing(folder))
}

/// Removes the generations of an earlier run; the lock says that it is over. Other folders stay, whatever their name.
fn remove_all(runtime: &Path) -> Result<(), Failure> {
    let Ok(entries) = std::fs::read_dir(runtime) else {
        return Ok(());
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let number = name
            .to_str()
            .map(|name| name.strip_suffix("-canary").unwrap_or(name));
        let counts = number.is_some_and(|number| {
            number.parse::<u32>().is_ok() && number.bytes().all(|b| b.is_ascii_digit())
        });
        if counts && is_a_launchers(&entry.path()) {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// uWSGI of a generation.
pub fn uwsgi(
    plan: &Plan,
    application: Arc<OwnedFd>,
    env: &Variables,
) -> Result<ChildPlan, Failure> {
    let program = plan.uwsgi.as_ref().map(|uwsgi| uwsgi.path.clone());
    let program = program.ok_or_else(|| Failure::Bug("uWSGI was there a moment ago".to_owned()))?;
    Ok(parts::uwsgi::child(plan, program, application, env))
}

/// nginx of a generation.
pub fn nginx(
    plan: &Plan,
    clients: Vec<Arc<OwnedFd>>,
    env: &Variables,
) -> Result<ChildPlan, Failure> {
    let program = plan.nginx.as_ref().map(|nginx| nginx.path.clone());
    let program = program.ok_or_else(|| Failure::Bug("nginx was there a moment ago".to_owned()))?;
    Ok(parts::nginx::child(plan, program, clients, env))
}

/// What the service's own code finds in its environment: everything that was there, and what the platform promises.
pub fn variables(context: &Context) -> Variables {
    let mut env: Variables = context::whole_environment();
    let service = &context.service;
    let mut set = |name: &str, value: &str| {
        env.retain(|(known, _)| known != name);
        env.push((name.into(), value.into()));
    };
    set("MICROSERVICE_NAME", &service.name);
    set("CONFIG_PATH", &service.config_path);
    if let Some(microservice_env) = &service.env {
        set("MICROSERVICE_ENV", microservice_env);
    }
    env
}

/// What the status shows of a generation.
pub fn facts(context: &Context, plan: &Plan) -> Facts {
    Facts {
        name: plan.name.clone(),
        started_at: jiff::Timestamp::now().to_string(),
        generation: plan.layout.generation,
        config_file: context.config.file.clone(),
        listen: plan.listen.iter().map(ToString::to_string).collect(),
        plan: PlanSummary {
            slots: plan.slots,
            processes: plan.processes,
            threads: plan.threads,
            queue: plan.queue,
            nginx_workers: plan.nginx_workers,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_launchers_folders_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for path in [
            "1/uwsgi/uwsgi.ini",
            "2-canary/nginx/nginx.conf",
            "4/photos/x.jpg",
            "5-canary/x",
            "+6/uwsgi/uwsgi.ini",
            "7",
            "x/uwsgi/uwsgi.ini",
        ] {
            file(path);
        }
        std::fs::create_dir_all(dir.path().join("3/nginx/temp")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("x"), dir.path().join("8")).unwrap();
        remove_all(dir.path()).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["+6", "4", "5-canary", "7", "8", "x"]);
    }
}
