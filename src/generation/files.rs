//! The runtime folder and the files of a generation in it.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;

use crate::context::Context;
use crate::exit::Failure;
use crate::host::access;
use crate::host::home::Home;
use crate::host::user::User;
use crate::plan::Plan;
use crate::render::{self, Rendered};
use crate::sys::files::{self, Lock, Owner};
use crate::sys::home_folder;

/// The user and group of the workers; none when the launcher is not root and cannot change users.
pub(crate) fn owner(plan: &Plan) -> Option<Owner> {
    plan.user.as_ref().map(|user| (user.uid, user.gid))
}

/// Whether the service has nginx snippets, whose content only nginx can check.
pub(crate) fn has_snippets(plan: &Plan) -> bool {
    !(plan.server_snippets.is_empty() && plan.http_snippets.is_empty())
}

/// Creates and locks the runtime folder, and removes the generations of an earlier run. The folder holds the Python
/// module that runs the application: a user with write permission could run any code, so its owner and mode are
/// checked.
pub(crate) fn claim(context: &Context, plan: &Plan) -> Result<Flock<File>, Failure> {
    let runtime = &plan.layout.runtime;
    create_runtime(context, plan.user.as_ref())?;
    match files::lock(&runtime.join("lock"))? {
        Lock::Acquired(lock) => {
            remove_generations(runtime)?;
            Ok(lock)
        }
        Lock::HeldBy(pid) => Err(Failure::Occupied {
            folder: runtime.clone(),
            pid,
        }),
    }
}

/// Makes the home folder of the workers for development, which needs nothing else of the runtime folder. `user`: whom it
/// is for, if not the launcher's own.
pub(crate) fn make_home(context: &Context, user: Option<&User>) -> Result<PathBuf, Failure> {
    create_runtime(context, user)?;
    let home = context.layout(1).home();
    let owner = user.map(|user| (user.uid, user.gid));
    home_folder::make(&home, owner)?;
    Ok(home)
}

/// Creates the runtime folder, which the workers' user must be able to enter.
fn create_runtime(context: &Context, user: Option<&User>) -> Result<(), Failure> {
    let runtime = &context.runtime;
    if !context.is_among_others {
        files::create_missing_folder(runtime)?;
    } else if let Some(what) = files::create_in_shared_folder(runtime)? {
        return Err(Failure::Inaccessible {
            what,
            hint: "remove it".to_owned(),
        });
    }
    if let Some(user) = user
        && let Some(denied) = access::first_denied(runtime, &[], user)
    {
        return Err(Failure::Inaccessible {
            what: format!("the user {} {}", user.name, denied.what()),
            hint: denied.hint(),
        });
    }
    Ok(())
}

/// Makes the folders of a generation and writes its files. Replaces an existing folder only if a launcher has made it.
pub(crate) fn write(plan: &Plan) -> Result<(), Failure> {
    let folder = plan.layout.folder();
    if folder.symlink_metadata().is_ok() && !is_generation(&folder) {
        return Err(Failure::Foreign(folder));
    }
    let rendered = render::render(plan)?;
    let written = fill(plan, &rendered);
    if written.is_err() {
        // An incomplete generation may lack the files by which the next launcher recognizes its own folders.
        files::remove(&folder)?;
    }
    written
}

fn fill(plan: &Plan, rendered: &[Rendered]) -> Result<(), Failure> {
    let layout = &plan.layout;
    files::remove(&layout.folder())?;
    files::create_folder(&layout.folder(), 0o755, None)?;
    files::create_folder(&layout.nginx(), 0o755, None)?;
    files::create_folder(&layout.nginx().join("temp"), 0o755, None)?;
    for file in rendered {
        files::write_below(&layout.folder(), &file.path, &file.text)?;
    }
    if plan.home == Home::Own {
        // All generations share it. Only the launcher can replace it: the folder above belongs to no worker.
        files::create_folder(&layout.home(), 0o700, owner(plan))?;
    }
    // This folder gets its owner last: the owner could redirect files that root writes into it by a link.
    files::create_folder(&layout.uwsgi(), 0o755, owner(plan))?;
    Ok(())
}

/// Whether a folder was made by a launcher: it holds a generated file, or no file at all.
fn is_generation(folder: &Path) -> bool {
    let real = folder.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    real && (folder.join("uwsgi/uwsgi.ini").is_file()
        || folder.join("nginx/nginx.conf").is_file()
        || files::contains_no_files(folder))
}

/// Removes the generations of an earlier run, which has ended, because its lock is free. Other folders are kept.
fn remove_generations(runtime: &Path) -> Result<(), Failure> {
    let Ok(entries) = std::fs::read_dir(runtime) else {
        return Ok(());
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let number = name
            .to_str()
            .map(|name| name.strip_suffix("-canary").unwrap_or(name));
        let is_number = number.is_some_and(|number| {
            number.parse::<u32>().is_ok() && number.bytes().all(|b| b.is_ascii_digit())
        });
        if is_number && is_generation(&entry.path()) {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_generations_are_removed() {
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
        remove_generations(dir.path()).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["+6", "4", "5-canary", "7", "8", "x"]);
    }
}
