//! Warnings about variables that contradict the plan, each with its effect and what to use instead.

use std::net::SocketAddr;

use crate::config::problem::Findings;
use crate::config::uwsgi_refused;
use crate::host::Host;
use crate::host::environment::Environment;

/// What the variables are compared with.
#[derive(Clone, Copy)]
pub(super) struct Compared<'a> {
    pub(super) host: &'a Host,
    /// Addresses for clients.
    pub(super) listen: &'a [SocketAddr],
    /// The service folder.
    pub(super) root: &'a std::path::Path,
}

/// Variables that change python3 in a way that the plan does not show.
const PYTHON: &[(&str, &str, &str)] = &[
    (
        "PYTHONHOME",
        "Python takes its standard library from there, and ignores virtual environments",
        "unset it; a virtual environment is found by its folder, VIRTUAL_ENV or PATH",
    ),
    (
        "PYTHONPLATLIBDIR",
        "Python searches its standard library and packages under this name",
        "unset it",
    ),
    (
        "PYTHONOPTIMIZE",
        "assert statements of the application do not run",
        "unset it if the application relies on them",
    ),
    (
        "PYTHONDEVMODE",
        "Python runs in its development mode: slower, and with more warnings in the log",
        "unset it in production",
    ),
    (
        "PYTHONTRACEMALLOC",
        "Python traces each allocation, which takes time and memory in every process",
        "unset it in production",
    ),
    (
        "PYTHONHASHSEED",
        "a fixed seed lets clients who know it make requests that take very long",
        "unset it, or set it to random",
    ),
    (
        "PYTHONIOENCODING",
        "it has no effect on the log, which is UTF-8",
        "unset it",
    ),
    (
        "PYTHONNOUSERSITE",
        "packages of the workers' user in ~/.local are not found",
        "unset it if the service has packages there",
    ),
    (
        "PYTHONINSPECT",
        "it has no effect in production",
        "unset it",
    ),
];

/// Values of Flask's variables that mean no.
const FLASK_NO: [&str; 4] = ["0", "false", "no", "off"];
/// Variables of `flask run` with another effect than an address.
const FLASK_RUN: [&str; 8] = [
    "FLASK_RUN_CERT",
    "FLASK_RUN_KEY",
    "FLASK_RUN_RELOAD",
    "FLASK_RUN_DEBUG",
    "FLASK_RUN_DEBUGGER",
    "FLASK_RUN_WITH_THREADS",
    "FLASK_RUN_EXTRA_FILES",
    "FLASK_RUN_EXCLUDE_PATTERNS",
];

/// Adds the warnings.
pub(super) fn check(compared: Compared<'_>, findings: &mut Findings) {
    let environment = &compared.host.environment;
    uwsgi(compared.host, findings);
    if environment.get("NGINX").is_some() {
        findings.warning(
            "$NGINX",
            "nginx would take it for a list of open sockets: only the application gets it",
            "set --listen for the addresses of the service",
        );
    }
    flask(environment, compared, findings);
    if environment.broken_python_home {
        findings.problem(
            "$PYTHONHOME",
            "no Python starts with it: the folder holds no standard library",
            "unset it",
        );
    }
    for (name, what, hint) in PYTHON {
        let is_off = match *name {
            "PYTHONHASHSEED" => environment.get(name) == Some("random"),
            "PYTHONOPTIMIZE" | "PYTHONTRACEMALLOC" => environment.get(name) == Some("0"),
            "PYTHONIOENCODING" => environment.get(name).is_some_and(is_utf8),
            _ => false,
        };
        if environment.get(name).is_some() && !is_off {
            findings.warning(format!("${name}"), *what, *hint);
        }
    }
    if let Some(folder) = environment.get("VIRTUAL_ENV")
        && compared.host.folder.venv.is_none()
    {
        findings.warning(
            "$VIRTUAL_ENV",
            format!("{folder} is no virtual environment: it holds no pyvenv.cfg"),
            "make it with `python3 -m venv`, or unset the variable",
        );
    }
}

fn is_utf8(encoding: &str) -> bool {
    let name = encoding.split(':').next().unwrap_or_default();
    name.is_empty()
        || name.eq_ignore_ascii_case("utf-8")
        || name.eq_ignore_ascii_case("utf8")
        || name.eq_ignore_ascii_case("utf_8")
}

/// Names the variables that uWSGI would have taken as options.
fn uwsgi(host: &Host, findings: &mut Findings) {
    let Some(known) = &host.uwsgi_options else {
        return;
    };
    for name in host.environment.variables.keys() {
        let Some(option) = name.strip_prefix("UWSGI_") else {
            continue;
        };
        let option = option.to_ascii_lowercase().replace('_', "-");
        if !known.contains(&option) {
            continue;
        }
        let hint = uwsgi_refused::instead_of(&option).map_or_else(
            || format!("set {option:?} in uwsgi_config of config.json"),
            str::to_owned,
        );
        findings.warning(
            format!("${name}"),
            format!("uWSGI does not get it as its option {option:?}: only the application gets it"),
            hint,
        );
    }
}

fn flask(environment: &Environment, compared: Compared<'_>, findings: &mut Findings) {
    let is_on = |name: &str| {
        environment
            .get(name)
            .filter(|value| !FLASK_NO.contains(&value.to_ascii_lowercase().as_str()))
    };
    if is_on("FLASK_DEBUG").is_some() {
        findings.warning(
            "$FLASK_DEBUG",
            "it turns on the application's debug mode, in production too",
            "unset it; development mode sets it by itself",
        );
    }
    if environment.get("FLASK_ENV") == Some("development") {
        findings.warning(
            "$FLASK_ENV",
            "it turns on the application's debug mode, in production too (Flask before 2.3)",
            "unset it; development mode needs no such variable",
        );
    }
    if let Some(app) = environment.get("FLASK_APP")
        && !is_main(app, compared.root)
    {
        findings.warning(
            "$FLASK_APP",
            format!("{app:?} has no effect: the launcher imports `app` from src/main.py"),
            "import the application there, for example `from shop import app`",
        );
    }
    let port = environment.get("FLASK_RUN_PORT");
    let same_port = |text: &str| {
        compared
            .listen
            .iter()
            .any(|address| address.port().to_string() == text)
    };
    let host = environment.get("FLASK_RUN_HOST");
    let same_host = |text: &str| {
        compared
            .listen
            .iter()
            .any(|address| address.ip().to_string() == text)
    };
    let mut without_effect: Vec<&str> = Vec::new();
    without_effect.extend(
        port.filter(|text| !same_port(text))
            .map(|_| "FLASK_RUN_PORT"),
    );
    without_effect.extend(
        host.filter(|text| !same_host(text))
            .map(|_| "FLASK_RUN_HOST"),
    );
    without_effect.extend(FLASK_RUN.iter().filter(|name| is_on(name).is_some()));
    if let [first, ..] = without_effect[..] {
        findings.warning(
            format!("${first}"),
            format!("{} has no effect in production", without_effect.join(", ")),
            "nginx serves HTTP at the addresses of --listen or MICROSERVICE_LISTEN",
        );
    }
}

/// Whether `FLASK_APP` means `app` of src/main.py.
fn is_main(value: &str, root: &std::path::Path) -> bool {
    let (module, name) = value.split_once(':').unwrap_or((value, "app"));
    let module = module.trim_start_matches("./");
    let file = root.join("src/main.py").display().to_string();
    let is_module = ["main", "main.py", "src/main.py", "src.main", &file].contains(&module);
    is_module && name == "app"
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
