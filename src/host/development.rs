//! What development needs to know of the host: the user that flask runs as, and a Python that this user may run. Nothing
//! is run to find out.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::access::{self, DeniedAccess};
use super::home::{self, Home};
use super::user::{self, User};
use super::{REQUIRED, programs, venv};

/// The user that flask runs as.
#[derive(Clone, Debug)]
pub(crate) struct FlaskUser {
    pub(crate) user: User,
    /// Its home folder.
    pub(crate) home: Home,
    /// Whether it is another user than the launcher's.
    pub(crate) is_other: bool,
}

/// The user named `name` when the launcher is root, else the launcher's own; none when it does not exist. `home` is the
/// variable `HOME`.
pub(crate) fn flask_user(name: &str, home: Option<&OsStr>) -> Option<FlaskUser> {
    let root = nix::unistd::geteuid().is_root();
    let user = if root {
        user::by_name(name)?
    } else {
        user::own()
    };
    let is_other = root && user.uid != 0;
    Some(FlaskUser {
        home: home::choose(home, &user, is_other),
        is_other,
        user,
    })
}

/// The first path of the service that the user may not read.
pub(crate) fn first_denied(root: &Path, user: &FlaskUser) -> Option<DeniedAccess> {
    let user = user.is_other.then_some(&user.user)?;
    access::first_denied(root, REQUIRED, user)
}

/// A Python for flask.
#[derive(Debug)]
pub(crate) struct FlaskPython {
    pub(crate) program: PathBuf,
    /// Those before it that the user may not run, with the reason.
    pub(crate) denied: Vec<(PathBuf, DeniedAccess)>,
}

/// The Python of the virtual environment that production would use, else the first one on `path`, among those that the
/// user may run. `venv`: the variable `VIRTUAL_ENV`.
pub(crate) fn python(
    root: &Path,
    path: &OsStr,
    venv: &OsStr,
    user: &FlaskUser,
) -> Option<FlaskPython> {
    let of_venv = venv::find(root, path, Some(venv))
        .filter(|venv| venv.runs)
        .map(|venv| venv.path.join("bin").join("python3"));
    let on_path = std::env::split_paths(path)
        .filter_map(|folder| programs::find("python3", folder.as_os_str()));
    let mut denied: Vec<(PathBuf, DeniedAccess)> = Vec::new();
    for program in of_venv.into_iter().chain(on_path) {
        match denied_program(&program, user) {
            None => return Some(FlaskPython { program, denied }),
            Some(why) if denied.iter().all(|(known, _)| *known != program) => {
                denied.push((program, why));
            }
            Some(_) => {}
        }
    }
    None
}

/// The folder that keeps the user from running a program, which may be a link into it.
fn denied_program(program: &Path, user: &FlaskUser) -> Option<DeniedAccess> {
    let user = user.is_other.then_some(&user.user)?;
    let file = program.canonicalize().ok()?;
    [program, &file]
        .into_iter()
        .filter_map(Path::parent)
        .find_map(|folder| access::first_denied(folder, &[], user))
}
