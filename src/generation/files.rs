//! The files of a generation, in its folder below the runtime folder.

use std::path::Path;

use crate::exit::Failure;
use crate::host::home::Home;
use crate::plan::Plan;
use crate::render::{self, Rendered};
use crate::sys::files::{self, Owner, WriteError};
use crate::sys::folders;
use crate::sys::home_folder;
use crate::sys::removal;

/// A file by which a launcher recognizes the folders that it may remove.
const MADE_HERE: &str = "made-by-microservice-flask";

/// The user and group of the workers; none when the launcher is not root and cannot change users.
pub(crate) fn owner(plan: &Plan) -> Option<Owner> {
    plan.user.as_ref().map(|user| (user.uid, user.gid))
}

/// The user and group of nginx; none when the launcher is not root.
pub(crate) fn nginx_owner(plan: &Plan) -> Option<Owner> {
    plan.nginx_user.as_ref().map(|user| (user.uid, user.gid))
}

/// The owners of the application's socket: the launcher, which asks for its health, and nginx's group, which alone passes
/// requests to it. The application has it open.
pub(crate) fn socket_owner(plan: &Plan) -> Option<Owner> {
    plan.nginx_user.as_ref().map(|user| (0, user.gid))
}

/// Whether the service has nginx snippets, whose content only nginx can check.
pub(crate) fn has_snippets(plan: &Plan) -> bool {
    !(plan.server_snippets.is_empty() && plan.http_snippets.is_empty())
}

/// Makes the folders of a generation and writes its files. Replaces an existing folder only if a launcher has made it.
pub(crate) fn write(plan: &Plan) -> Result<(), Failure> {
    let folder = plan.layout.folder();
    if folder.symlink_metadata().is_ok() && !is_generation(&folder) {
        return Err(Failure::Foreign(folder));
    }
    let rendered = render::render(plan)?;
    let written = fill(plan, &rendered);
    if written.is_err()
        && let Err(error) = removal::remove_folder(&folder)
    {
        tracing::warn!(%error, "Cannot remove the files of a generation that was not made.");
    }
    written
}

fn fill(plan: &Plan, rendered: &[Rendered]) -> Result<(), Failure> {
    let layout = &plan.layout;
    if let Err(error) = removal::remove_folder(&layout.folder())
        && layout.folder().symlink_metadata().is_ok()
    {
        return Err(error.into());
    }
    folders::create_folder(&layout.folder(), 0o755, None)?;
    files::write(&layout.folder().join(MADE_HERE), "", 0o644)?;
    folders::create_folder(&layout.nginx(), 0o755, None)?;
    for file in rendered {
        folders::write_below(&layout.folder(), &file.path, &file.text)?;
    }
    folders::create_folder(&layout.nginx_temp(), 0o700, nginx_owner(plan))?;
    folders::create_folder(&layout.nginx_run(), 0o711, nginx_owner(plan))?;
    if plan.home == Home::Own {
        // All generations share it. Only the launcher can replace it: the folder above belongs to no worker.
        home_folder::make(&layout.home(), owner(plan))?;
    }
    // This folder gets its owner last: the owner could redirect files that root writes into it by a link.
    folders::create_folder(&layout.uwsgi(), 0o755, owner(plan))?;
    Ok(())
}

/// Whether a folder was made by a launcher: it holds a generated file, or no file at all.
fn is_generation(folder: &Path) -> bool {
    let real = folder.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    real && (folder.join(MADE_HERE).is_file()
        // Those of older versions.
        || folder.join("uwsgi/uwsgi.ini").is_file()
        || folder.join("nginx/nginx.conf").is_file()
        || folders::contains_no_files(folder))
}

/// Whether this is the name of a generation's folder.
pub(super) fn is_number(name: &str) -> bool {
    let number = name.strip_suffix("-canary").unwrap_or(name);
    number.parse::<u32>().is_ok() && number.bytes().all(|b| b.is_ascii_digit())
}

/// Removes the generations of an earlier run, which has ended, because its lock is free, and what was left over of others
/// then. Other folders are kept. Returns what could not be removed: it is in nobody's way.
pub(super) fn remove_generations(runtime: &Path) -> Vec<WriteError> {
    let Ok(entries) = std::fs::read_dir(runtime) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            (is_number(&name) && is_generation(&entry.path()))
                || name.starts_with(removal::LEFT_OVER)
        })
        .filter_map(|entry| removal::remove_folder(&entry.path()).err())
        .collect()
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
            "left-over-3-4711-0/x",
        ] {
            file(path);
        }
        std::fs::create_dir_all(dir.path().join("3/nginx/temp")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("x"), dir.path().join("8")).unwrap();
        assert!(remove_generations(dir.path()).is_empty());
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["+6", "4", "5-canary", "7", "8", "x"]);
    }
}
