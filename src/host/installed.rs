//! Which programs there are, asked as the users that will run them.

use std::path::Path;

use super::programs::{self, Asking, LeftOut, Nginx, Uwsgi};
use super::user::User;

/// The programs that were found.
#[derive(Debug, Default)]
pub(super) struct Installed {
    pub(super) nginx: Option<Nginx>,
    pub(super) nginx_left_out: Option<LeftOut>,
    pub(super) uwsgi: Option<Uwsgi>,
    /// Names of uWSGI's options, where they are wanted.
    pub(super) uwsgi_options: Option<Vec<String>>,
}

/// What is asked for, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// Whether the launcher is root.
    pub(super) root: bool,
    /// Whether a program may run as root.
    pub(super) allow_root: bool,
    /// The virtual environment of the service.
    pub(super) venv: Option<&'a Path>,
    /// Whether the names of uWSGI's options are needed.
    pub(super) options: bool,
}

/// Asks nginx and uWSGI at the same time. A user that does not exist, or must not be root, is a problem of the plan: root
/// asks nothing in its place.
pub(super) async fn ask(question: Question<'_>, asking: Asking<'_>) -> Installed {
    let may_ask = |user: Option<&User>| {
        !question.root || question.allow_root || user.is_some_and(|user| user.uid != 0)
    };
    let application = asking.application.filter(|user| user.uid != 0);
    let (file, nginx_left_out) = programs::find_nginx(asking.path, application);
    let file = file.filter(|_| may_ask(asking.nginx));
    let nginx = async {
        match file {
            Some(file) => programs::nginx(file, asking).await,
            None => None,
        }
    };
    let uwsgi = async {
        if may_ask(asking.application) {
            programs::uwsgi(asking, question.venv).await
        } else {
            None
        }
    };
    let (nginx, uwsgi) = tokio::join!(nginx, uwsgi);
    let uwsgi_options = match &uwsgi {
        Some(uwsgi) if question.options => programs::uwsgi_options(uwsgi, asking).await,
        Some(_) | None => None,
    };
    Installed {
        nginx,
        nginx_left_out,
        uwsgi,
        uwsgi_options,
    }
}
