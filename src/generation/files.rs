//! The files of a generation, below the runtime folder.

use std::fs::File;
use std::path::Path;

use nix::fcntl::Flock;

use crate::context::Context;
use crate::exit::Failure;
use crate::host::access;
use crate::plan::Plan;
use crate::render::{self, Rendered};
use crate::sys::files::{self, Lock, Owner};

/// The user and group of the workers, when the launcher is root.
pub(crate) fn owner(plan: &Plan) -> Option<Owner> {
    plan.user.as_ref().map(|user| (user.uid, user.gid))
}

/// Whether the service brings files for nginx, which nginx has to accept.
pub(crate) fn has_snippets(plan: &Plan) -> bool {
    !(plan.server_snippets.is_empty() && plan.http_snippets.is_empty())
}

/// Locks the runtime folder for this launcher, and removes what an earlier one has left in it. The folder holds the module
/// that runs the application: a user who could write it could run anything.
pub(crate) fn claim(context: &Context, plan: &Plan) -> Result<Flock<File>, Failure> {
    let runtime = &plan.layout.runtime;
    if !context.is_among_others {
        files::create_missing_folder(runtime)?;
    } else if let Some(what) = files::create_in_shared_folder(runtime)? {
        return Err(Failure::Closed {
            what,
            hint: "remove it".to_owned(),
        });
    }
    if let Some(user) = &plan.user
        && let Some(closed) = access::first_denied(runtime, &[], user)
    {
        return Err(Failure::Closed {
            what: format!("the user {} {}", user.name, closed.what()),
            hint: closed.hint(),
        });
    }
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

/// Makes the folders of a generation and writes its files. A folder of that name must be one that a launcher has made.
pub(crate) fn write(plan: &Plan) -> Result<(), Failure> {
    let folder = plan.layout.folder();
    if folder.symlink_metadata().is_ok() && !is_generation(&folder) {
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
    files::create_folder(&layout.folder(), 0o755, None)?;
    files::create_folder(&layout.nginx(), 0o755, None)?;
    files::create_folder(&layout.nginx().join("temp"), 0o755, None)?;
    for file in rendered {
        files::write_below(&layout.folder(), &file.path, &file.text)?;
    }
    // Handed over last: what root writes into a folder of another user's, that user may have led elsewhere by a link.
    files::create_folder(&layout.uwsgi(), 0o755, owner(plan))?;
    Ok(())
}

/// Whether a folder is that of a generation: it holds what a launcher writes, or no file.
fn is_generation(folder: &Path) -> bool {
    let real = folder.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    real && (folder.join("uwsgi/uwsgi.ini").is_file()
        || folder.join("nginx/nginx.conf").is_file()
        || files::contains_no_files(folder))
}

/// Removes the generations of an earlier run; the lock says that it is over. Other folders stay, whatever their name.
fn remove_generations(runtime: &Path) -> Result<(), Failure> {
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
        if counts && is_generation(&entry.path()) {
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
