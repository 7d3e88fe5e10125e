//! Takes the runtime folder for one launcher, so that nobody else can replace what is in it.
//!
//! The folder may be given in any state: a Kubernetes emptyDir has mode 0777, a tmpfs 1777, and either may hold what a
//! compromised service has left there before its container was restarted. Root opens, changes and removes paths below it,
//! so no user of the service may be able to rename, replace or link one of them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
use nix::sys::stat::{FileStat, Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, fchown};

use super::files;
use crate::context::Context;
use crate::exit::Failure;
use crate::host::access::{self, Permission};
use crate::host::user::User;
use crate::plan::Plan;
use crate::runtime_dir::{PRIVATE, is_private, work_folder};
use crate::sys::files::WriteError;
use crate::sys::folders;
use crate::sys::home_folder;
use crate::sys::lock::{self, Lock};
use crate::sys::removal;

/// What a launcher makes in a runtime folder, beside numbered folders.
const OWN_NAMES: [&str; 8] = [
    "app.sock",
    "control.sock",
    "disk-full",
    "disk-not-full",
    "disk-not-full.new",
    "home",
    "lock",
    PRIVATE,
];

/// The runtime folder of this launcher.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// Keeps other launchers out.
    _lock: Flock<File>,
    /// What could not be removed, as text for operators.
    pub(crate) left: Vec<WriteError>,
}

/// Creates, protects and locks the runtime folder, and removes the generations of an earlier run.
pub(crate) fn claim(context: &Context, plan: &Plan) -> Result<Claimed, Failure> {
    let users: Vec<&User> = plan.user.iter().chain(&plan.nginx_user).collect();
    let work = &plan.layout.runtime;
    prepare(context, work, &users)?;
    match lock::lock(&work.join("lock"))? {
        Lock::Acquired(lock) => Ok(Claimed {
            _lock: lock,
            left: files::remove_generations(work),
        }),
        Lock::HeldBy(pid) => Err(Failure::Occupied {
            folder: context.runtime.clone(),
            pid,
        }),
    }
}

/// Creates, protects and locks the runtime folder for development, which has a control socket there. `user`: whom flask
/// runs as, if not the launcher's own.
pub(crate) fn claim_for_development(
    context: &Context,
    user: Option<&User>,
) -> Result<Claimed, Failure> {
    let work = context.layout(1).runtime;
    let users: Vec<&User> = user.into_iter().collect();
    prepare(context, &work, &users)?;
    match lock::lock(&work.join("lock"))? {
        Lock::Acquired(lock) => Ok(Claimed {
            _lock: lock,
            left: Vec::new(),
        }),
        Lock::HeldBy(pid) => Err(Failure::Occupied {
            folder: context.runtime.clone(),
            pid,
        }),
    }
}

/// Makes the home folder of the workers for development, which needs nothing else of the runtime folder. `user`: whom it
/// is for, if not the launcher's own.
pub(crate) fn make_home(context: &Context, user: Option<&User>) -> Result<PathBuf, Failure> {
    let layout = context.layout(1);
    let users: Vec<&User> = user.into_iter().collect();
    prepare(context, &layout.runtime, &users)?;
    let home = layout.home();
    home_folder::make(&home, user.map(|user| (user.uid, user.gid)))?;
    Ok(home)
}

/// Creates and protects the runtime folder, and the folder `work` in it, where all files are. `users`: those of the
/// programs, if not the launcher's own.
fn prepare(context: &Context, work: &Path, users: &[&User]) -> Result<(), Failure> {
    let runtime = &context.runtime;
    if !context.is_among_others {
        folders::create_missing_folder(runtime)?;
    } else if let Some(what) = folders::create_in_shared_folder(runtime)? {
        return Err(Failure::Inaccessible {
            what,
            hint: "remove it".to_owned(),
        });
    }
    for user in users.iter().filter(|user| user.uid != 0) {
        protect_from(user, context)?;
    }
    if work == runtime && work_folder(runtime) != work {
        return Err(Failure::Inaccessible {
            what: format!("{} was made by somebody else meanwhile", runtime.display()),
            hint: "start again".to_owned(),
        });
    }
    if work != runtime {
        claim_private(work, if users.is_empty() { 0o700 } else { 0o711 })?;
    }
    for user in users {
        if let Some(denied) = access::first_denied(work, &[], user) {
            return Err(Failure::Inaccessible {
                what: format!("the user {} {}", user.name, denied.what()),
                hint: denied.hint(),
            });
        }
    }
    Ok(())
}

/// Sees to it that a user of the service can replace neither the runtime folder nor what root has made in it. A folder
/// that everybody may write to gets the sticky bit; one that belongs to that user is taken over when it holds nothing else.
fn protect_from(user: &User, context: &Context) -> Result<(), Failure> {
    let runtime = &context.runtime;
    let failed = |source| {
        Failure::from(WriteError {
            path: runtime.to_owned(),
            source,
        })
    };
    let real = runtime.canonicalize().map_err(failed)?;
    let folder = folders::open_folder(&real).map_err(failed)?;
    let stat = fstat(&folder).map_err(|error| failed(error.into()))?;
    if stat.st_uid == user.uid {
        take_over(&folder, &real, user)?;
    }
    if let Some(parent) = real.parent() {
        protect_mounted(parent, user);
    }
    refuse_replaceable(user, &context.given_runtime)?;
    let stat = fstat(&folder).map_err(|error| failed(error.into()))?;
    let others_write = stat.st_mode & 0o022 != 0 && stat.st_mode & access::STICKY == 0;
    let is_open = may_rename(&stat, user) || (others_write && stat.st_uid == 0);
    if !is_open {
        return Ok(());
    }
    let sticky = Mode::from_bits_truncate(stat.st_mode | access::STICKY);
    let protected = fchmod(&folder, sticky)
        .and_then(|()| fstat(&folder))
        .is_ok_and(|stat| !may_rename(&stat, user));
    if protected {
        return Ok(());
    }
    Err(Failure::Inaccessible {
        what: format!(
            "the user {} may replace what is in {} (mode {:04o}), and the mode cannot be changed",
            user.name,
            runtime.display(),
            stat.st_mode & 0o7777
        ),
        hint: format!("chmod +t {}", runtime.display()),
    })
}

/// Sets the sticky bit on a folder of root in which everybody may rename everything, when it was mounted for the launcher
/// (a Kubernetes emptyDir on /run): nobody could do it from outside. What does not work is refused afterwards.
fn protect_mounted(folder: &Path, user: &User) {
    let (Ok(opened), Some(above)) = (folders::open_folder(folder), folder.parent()) else {
        return;
    };
    let (Ok(stat), Ok(above)) = (fstat(&opened), above.symlink_metadata()) else {
        return;
    };
    let is_mounted = stat.st_dev != above.dev();
    if is_mounted && stat.st_uid == 0 && stat.st_mode & 0o002 != 0 && may_rename(&stat, user) {
        let sticky = Mode::from_bits_truncate(stat.st_mode | access::STICKY);
        if let Err(error) = fchmod(&opened, sticky) {
            tracing::debug!(%error, folder = %folder.display(), "Cannot set the sticky bit.");
        }
    }
}

/// Fails when a user of the service may put another folder in the place of a path, or of one on the way to it.
pub(crate) fn refuse_replaceable(user: &User, path: &Path) -> Result<(), Failure> {
    let Some((entry, folder)) = access::replaceable_on_the_way(user, path) else {
        return Ok(());
    };
    Err(Failure::Inaccessible {
        what: format!(
            "the user {} may replace {}, because it may write to {}",
            user.name,
            entry.display(),
            folder.display()
        ),
        hint: format!("chmod o-w {}", folder.display()),
    })
}

/// Whether a user may rename files of others in a folder.
fn may_rename(stat: &FileStat, user: &User) -> bool {
    let writes = access::may(
        user,
        stat.st_mode,
        (stat.st_uid, stat.st_gid),
        Permission::Change,
    );
    stat.st_uid == user.uid || (writes && stat.st_mode & access::STICKY == 0)
}

/// Makes root the owner of a folder that was made for the launcher: there is nothing else in it.
fn take_over(folder: &OwnedFd, path: &Path, user: &User) -> Result<(), Failure> {
    let entries = std::fs::read_dir(path).map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })?;
    let is_own = |name: &str| {
        OWN_NAMES.contains(&name) || files::is_number(name) || name.starts_with(removal::LEFT_OVER)
    };
    let foreign = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| !is_own(name));
    let why = match foreign {
        Some(name) => format!("and holds {name:?}, which is not the launcher's"),
        None => match fchown(folder, Some(Uid::from_raw(0)), Some(Gid::from_raw(0))) {
            Ok(()) => return Ok(()),
            Err(error) => format!("and cannot be given to root: {error}"),
        },
    };
    Err(Failure::Inaccessible {
        what: format!(
            "the runtime folder {} belongs to {}, who could replace what root uses in it, {why}",
            path.display(),
            user.name
        ),
        hint: format!("chown root {}", path.display()),
    })
}

/// Makes the folder in which only the launcher's user can make anything. What has its name and is something else, gets
/// another name.
fn claim_private(path: &Path, mode: u32) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() && !is_private(path) {
        removal::move_aside(path).map_err(|source| WriteError {
            path: path.to_owned(),
            source,
        })?;
    }
    folders::create_folder(path, mode, None)?;
    if is_private(path) {
        return Ok(());
    }
    Err(Failure::Inaccessible {
        what: format!("{} was replaced while it was made", path.display()),
        hint: "remove it, and end what writes to the runtime folder".to_owned(),
    })
}
