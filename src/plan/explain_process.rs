//! Describes the processes of the application: their uWSGI, user, home folder and encoding.

use super::{Plan, venv};
use crate::host::Host;
use crate::host::home::Home;
use crate::host::programs::Python;

pub(super) fn uwsgi_value(plan: &Plan) -> String {
    plan.uwsgi.as_ref().map_or_else(
        || "not installed (apt-get install uwsgi-core uwsgi-plugin-python3)".to_owned(),
        |uwsgi| format!("{} ({})", uwsgi.version, uwsgi.path.display()),
    )
}

pub(super) fn uwsgi_reason(plan: &Plan, host: &Host) -> String {
    let python = match plan.uwsgi.as_ref().map(|uwsgi| &uwsgi.python) {
        Some(Python::BuiltIn) => "it has Python built in".to_owned(),
        Some(Python::Plugin(version)) => format!("Debian's, with the plugin for Python {version}"),
        Some(Python::Missing) => {
            "it lacks the Python plugin (apt-get install uwsgi-plugin-python3)".to_owned()
        }
        None => "it runs the application".to_owned(),
    };
    match &host.folder.venv {
        Some(found) => format!(
            "{python}; packages of {} ({})",
            found.path.display(),
            venv::origin(found)
        ),
        None => python,
    }
}

pub(super) fn user(plan: &Plan, host: &Host) -> (String, String) {
    let (value, why) = match (&plan.user, &host.worker_user) {
        (Some(user), _) => (
            user.name.clone(),
            "the application runs as this user (user), the launcher as root",
        ),
        (None, Some(own)) => (
            own.name.clone(),
            "everything runs as the user that started it",
        ),
        (None, None) => ("unknown".to_owned(), ""),
    };
    (value, why.to_owned())
}

pub(super) fn nginx_user(plan: &Plan) -> Option<(String, String)> {
    let user = plan.nginx_user.as_ref()?;
    Some((
        user.name.clone(),
        "nginx runs as this user (nginx_user), also its master process".to_owned(),
    ))
}

pub(super) fn home(plan: &Plan, host: &Host) -> (String, String) {
    let (value, why) = match &plan.home {
        Home::Environment(folder) => (
            folder.display().to_string(),
            "HOME of the environment".to_owned(),
        ),
        Home::User(folder) => (
            folder.display().to_string(),
            format!("the home folder of {}", plan.worker),
        ),
        Home::Own => (
            "home in the runtime folder".to_owned(),
            format!("{} can write to no other: {}", plan.worker, tried(host)),
        ),
    };
    (value, why)
}

/// The folders that are no home for the workers.
fn tried(host: &Host) -> String {
    let named = host.environment.get("HOME").map(str::to_owned);
    let own = host
        .worker_user
        .as_ref()
        .map(|user| user.home.display().to_string());
    let mut list: Vec<String> = named.into_iter().chain(own).collect();
    list.dedup();
    format!("not to {}", list.join(", nor to "))
}

pub(super) fn text(plan: &Plan, host: &Host) -> (String, String) {
    let encoding = &plan.encoding;
    let named = host.environment.encoding.as_deref();
    let (value, why) = if encoding.start.is_some() || encoding.utf8_mode {
        (
            "UTF-8",
            "the encoding of files, file names and output of programs, as python3 takes it from this environment",
        )
    } else {
        (
            named.unwrap_or("ASCII"),
            "the encoding of files, file names and output of programs: the locale of the environment names it",
        )
    };
    (value.to_owned(), why.to_owned())
}
