//! `run` in development mode: flask with live reload, as if started by hand.
//!
//! Flask gets its own process group and signals are sent to the group, because its reloader runs the application in a
//! second process that does not receive the signals of the first. With a terminal it becomes the foreground process
//! group, so that Ctrl-C, Ctrl-Z and pdb work as without the launcher.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::cli::ServiceOptions;
use crate::console::print_error;
use crate::context::{self, Context};
use crate::exit::Failure;
use crate::generation::environment;
use crate::host::{programs, venv};
use crate::sys::process::{self, Spawn};
use crate::sys::reap::{self, Exit};
use crate::sys::runtime;
use crate::sys::signals::{ForwardedEvent, ForwardedSignals};
use crate::sys::terminal::Terminal;

/// Runs flask until it ends; the launcher exits with flask's exit code.
pub(super) fn dev(
    options: &ServiceOptions,
    context: &Context,
    flask_args: Vec<String>,
) -> Result<(), Failure> {
    let python = python(context)?;
    let addresses = context::listen(options);
    if addresses.len() > 1 {
        print_error(
            "microservice-flask: flask listens on one address: the others are left out in development\n",
        );
    }
    let args = arguments(addresses.first().copied(), flask_args);
    let cwd = context.service.root.join("src");
    process::become_subreaper();
    let spawn = Spawn {
        program: &python,
        args: &args,
        env: Some(variables(context)),
        cwd: Some(&cwd),
        output: None,
        inherit: Vec::new(),
        user: None,
        batch: false,
        // On TERM the reloader ends its second process too.
        death_signal: Signal::SIGTERM,
        // The code is that of the one who edits it.
        sandbox: None,
    };
    match runtime::block_on(supervise(spawn, context.config.stop_timeout))?? {
        Exit::Code(0) => Ok(()),
        exit => Err(Failure::Flask(exit)),
    }
}

/// The Python of the virtual environment that production would use, else the one on PATH.
fn python(context: &Context) -> Result<PathBuf, Failure> {
    // One that is not set is empty.
    let variable = |name: &str| OsString::from(context.env.get(name).cloned().unwrap_or_default());
    let path = variable("PATH");
    venv::find(&context.service.root, &path, Some(&variable("VIRTUAL_ENV")))
        .filter(|venv| venv.runs)
        .map(|venv| venv.path.join("bin").join("python3"))
        .or_else(|| programs::find("python3", &path))
        .ok_or_else(|| Failure::Missing {
            program: "python3",
            hint: "apt-get install python3-flask".to_owned(),
        })
}

/// Arguments of python3. `--without-threads`: one request at a time, as documented for the Apache image.
fn arguments(address: Option<SocketAddr>, more: Vec<String>) -> Vec<OsString> {
    let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 80)));
    let host = address.ip().to_string();
    let port = address.port().to_string();
    [
        "-m",
        "flask",
        "run",
        "--host",
        &host,
        "--port",
        &port,
        "--without-threads",
    ]
    .into_iter()
    .map(OsString::from)
    .chain(more.into_iter().map(OsString::from))
    .collect()
}

fn variables(context: &Context) -> Vec<(OsString, OsString)> {
    let mut env = environment::variables(context);
    env.retain(|(name, _)| name != "FLASK_APP");
    env.push(("FLASK_APP".into(), "main.py".into()));
    // Unbuffered, so that lines appear when they are printed, also without a terminal.
    for (name, value) in [("FLASK_DEBUG", "1"), ("PYTHONUNBUFFERED", "1")] {
        if !env.iter().any(|(known, _)| known == name) {
            env.push((name.into(), value.into()));
        }
    }
    if let Some(pair) = debug_variable(&env) {
        env.push(pair);
    }
    env
}

/// With click 8.4.0 flask treats its option --debug as given and thereby overrides FLASK_DEBUG
/// (<https://github.com/pallets/flask/issues/6025>). The variable of the option has the right effect with every version
/// of click; an argument after `--` still takes precedence.
fn debug_variable(env: &[(OsString, OsString)]) -> Option<(OsString, OsString)> {
    let get = |name: &str| {
        env.iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.to_string_lossy().to_lowercase())
    };
    let debug = get("FLASK_DEBUG")?;
    let wanted = !matches!(debug.as_str(), "" | "0" | "false" | "no");
    (wanted && get("FLASK_RUN_DEBUG").is_none()).then(|| ("FLASK_RUN_DEBUG".into(), "1".into()))
}

/// Forwards signals to flask until it ends. After a signal to stop, kills it at the stop timeout.
async fn supervise(spawn: Spawn<'_>, stop_timeout: Duration) -> Result<Exit, Failure> {
    let mut signals = ForwardedSignals::new().map_err(|source| Failure::System {
        what: "handle signals",
        source,
    })?;
    let terminal = Terminal::if_foreground();
    let flask = process::spawn(spawn)?;
    if let Some(terminal) = &terminal {
        terminal.set_foreground(flask);
    }
    let mut deadline = None;
    let exit = loop {
        tokio::select! {
            event = signals.next() => match event {
                ForwardedEvent::Signal(signal) => {
                    process::signal_group(flask, signal);
                    if matches!(signal, Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT) {
                        deadline = Some(tokio::time::Instant::now() + stop_timeout);
                    }
                }
                ForwardedEvent::Child => {
                    if let Some(exit) = reap_children(flask) {
                        break exit;
                    }
                    suspend_if_stopped(flask, terminal.as_ref());
                }
            },
            () = sleep_until(deadline) => {
                process::signal_group(flask, Signal::SIGKILL);
                deadline = None;
            }
        }
    };
    if let Some(terminal) = &terminal {
        terminal.take_back();
    }
    Ok(exit)
}

/// Reaps all processes that have ended. When flask is one of them, kills the rest of its group and returns its exit.
fn reap_children(flask: Pid) -> Option<Exit> {
    let reaped = reap::reap_all(|ended| {
        if ended.pid == flask {
            process::signal_group(flask, Signal::SIGKILL);
        }
    });
    reaped
        .into_iter()
        .find(|ended| ended.pid == flask)
        .map(|ended| ended.exit)
}

/// Ctrl-Z stops only flask, but the shell waits for the launcher, so the launcher must stop too. PID 1 has no shell that
/// could continue it and resumes flask at once.
fn suspend_if_stopped(flask: Pid, terminal: Option<&Terminal>) {
    let Some(terminal) = terminal.filter(|_| reap::is_stopped(flask)) else {
        return;
    };
    terminal.take_back();
    if !process::is_init() {
        process::signal(nix::unistd::getpid(), Signal::SIGSTOP);
    }
    terminal.set_foreground(flask);
    process::signal_group(flask, Signal::SIGCONT);
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_mode_is_also_set_by_the_option() {
        let variable = |pairs: &[(&str, &str)]| {
            let env: Vec<(OsString, OsString)> = pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            debug_variable(&env)
        };
        let on = Some(("FLASK_RUN_DEBUG".into(), "1".into()));
        assert_eq!(variable(&[("FLASK_DEBUG", "1")]), on);
        assert_eq!(variable(&[("FLASK_DEBUG", "False")]), None);
        assert_eq!(
            variable(&[("FLASK_DEBUG", "1"), ("FLASK_RUN_DEBUG", "0")]),
            None
        );
    }

    #[test]
    fn flask_is_called_as_the_apache_image_called_it() {
        let args = arguments(
            Some(SocketAddr::from(([0, 0, 0, 0], 80))),
            vec!["--cert".into(), "adhoc".into()],
        );
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        assert_eq!(
            args.join(" "),
            "-m flask run --host 0.0.0.0 --port 80 --without-threads --cert adhoc"
        );
    }
}
