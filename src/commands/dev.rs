//! `run` in development mode: flask with live reload, as if started by hand.
//!
//! Flask gets its own process group and signals are sent to the group, because its reloader runs the application in a
//! second process that does not receive the signals of the first. With a terminal it becomes the foreground process
//! group, so that Ctrl-C, Ctrl-Z and pdb work as without the launcher. It runs as the user of the workers, not as root.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::dev_control::{self, DevControl};
use super::findings;
use super::flask::{self, FlaskCall};
use crate::cli::{LogLevel, RunArgs, ServiceOptions};
use crate::config::problem::Findings;
use crate::console::print_error;
use crate::context::{self, Context};
use crate::exit::{Failure, Problems};
use crate::generation::{environment, runtime_folder};
use crate::host::development::{self, FlaskUser};
use crate::host::home::Home;
use crate::plan::users::{self, DEFAULT_USER};
use crate::sys::credentials::Credentials;
use crate::sys::process::{self, Spawn};
use crate::sys::reap::{self, Exit};
use crate::sys::sandbox::{self, Sandbox, SandboxRules};
use crate::sys::signals::{ForwardedEvent, ForwardedSignals};
use crate::sys::sockets::BindError;
use crate::sys::terminal::Terminal;
use crate::sys::{low_ports, rights, runtime, stdio};

/// Runs flask until it ends; the launcher exits with flask's exit code.
pub(super) fn dev(
    options: &ServiceOptions,
    context: &Context,
    args: RunArgs,
    started: Instant,
) -> Result<(), Failure> {
    let least = options.log_level;
    let user = user(context, least)?;
    let python = python(context, &user, least)?;
    let addresses = context::listen(options);
    if addresses.len() > 1 {
        say(
            least,
            LogLevel::Warn,
            "flask listens on one address: the others are left out in development",
        );
    }
    let every = SocketAddr::from(([0, 0, 0, 0], 80));
    let address = addresses.first().copied().unwrap_or(every);
    let call = flask::call(address, args.debugger, args.flask_args);
    let credentials = credentials(&user, address, &call)?;
    let env = variables(context, &user, least);
    let cwd = context.service.root.join("src");
    let listens = call.port.map(|port| SocketAddr::new(address.ip(), port));
    let other = user.is_other.then_some(&user.user);
    let control = dev_control::prepare(context, other, listens, started);
    if let Some(warning) = control.warning() {
        say(least, LogLevel::Warn, &warning);
    }
    process::become_subreaper();
    if user.is_other {
        if let Some(missing) = rights::missing() {
            return Err(Failure::NoRights(missing));
        }
        stdio::hand_to(user.user.uid);
    }
    rights::give_up_capabilities(user.is_other).map_err(Failure::system("give up capabilities"))?;
    say(least, LogLevel::Info, &call.announcement(&user.user.name));
    let rules = SandboxRules {
        // The terminal may be that of root's shell. A kernel that does not take the filter has to do without.
        refuses_typing: user.is_other && sandbox::try_seccomp().is_ok(),
        ..SandboxRules::default()
    };
    let sandbox =
        Sandbox::prepare(&rules).map_err(Failure::system("make a filter of system calls"))?;
    let spawn = Spawn {
        program: &python,
        args: &call.args,
        env: Some(env),
        cwd: Some(&cwd),
        output: None,
        inherit: Vec::new(),
        user: credentials.as_ref(),
        batch: false,
        // A developer without root may use sudo and the like from the application.
        no_new_privs: user.is_other,
        // On TERM the reloader ends its second process too.
        death_signal: Signal::SIGTERM,
        // The code is that of the one who edits it.
        sandbox: Some(sandbox),
    };
    match runtime::block_on(supervise(spawn, control, context.config.stop_timeout))?? {
        Exit::Code(0) => Ok(()),
        exit => Err(Failure::Flask(exit)),
    }
}

/// Prints a message of the launcher unless its level is below `least`: development has no log.
fn say(least: LogLevel, level: LogLevel, text: &str) {
    if level >= least {
        print_error(&format!("microservice-flask: {text}\n"));
    }
}

/// The user that flask runs as: that of the workers in production.
fn user(context: &Context, least: LogLevel) -> Result<FlaskUser, Failure> {
    let config = &context.config;
    let mut findings = Findings::new(config.file.clone());
    let name = config
        .user
        .as_ref()
        .map_or(DEFAULT_USER, |user| &user.value);
    let home = context.env.get("HOME").map(OsStr::new);
    let user = development::flask_user(name, home);
    if nix::unistd::geteuid().is_root() {
        let found = user.as_ref().map(|user| &user.user);
        users::application(found, config, context.allow_root, &mut findings);
    }
    if let Some(user) = &user
        && let Some(denied) = development::first_denied(&context.service.root, user)
    {
        findings.warning(
            "",
            format!(
                "flask runs as {0}, and {0} {1}",
                user.user.name,
                denied.what()
            ),
            format!(
                "{}, or run the launcher as the owner of the files (docker run --user $(id -u))",
                denied.hint()
            ),
        );
    }
    if findings.has_problems() || least <= LogLevel::Warn {
        findings::print(&findings);
    }
    user.filter(|_| !findings.has_problems())
        .ok_or(Failure::Config(Problems(findings)))
}

/// The Python of the virtual environment that production would use, else the first one on PATH that the user may run.
fn python(context: &Context, user: &FlaskUser, least: LogLevel) -> Result<PathBuf, Failure> {
    // One that is not set is empty.
    let variable = |name: &str| OsString::from(context.env.get(name).cloned().unwrap_or_default());
    let (path, venv) = (variable("PATH"), variable("VIRTUAL_ENV"));
    let root = &context.service.root;
    let found = development::python(root, &path, &venv, user).ok_or_else(|| Failure::Missing {
        program: "python3",
        hint: "apt-get install python3-flask".to_owned(),
    })?;
    for (program, denied) in &found.denied {
        let text = format!(
            "{} is left out: {} {}; {} is used",
            program.display(),
            user.user.name,
            denied.what(),
            found.program.display()
        );
        say(least, LogLevel::Warn, &text);
    }
    Ok(found.program)
}

/// The other user, if flask runs as one; with the right to listen on a port below 1024 where that needs one.
fn credentials(
    user: &FlaskUser,
    address: SocketAddr,
    call: &FlaskCall,
) -> Result<Option<Credentials>, Failure> {
    if !user.is_other {
        return Ok(None);
    }
    let credentials = Credentials::of(&user.user.name, user.user.uid, user.user.gid);
    let limit = low_ports::first_unprivileged();
    // For port 0 the kernel chooses one that is free for all.
    let Some(port) = call.port.filter(|port| *port != 0 && *port < limit) else {
        return Ok(Some(credentials));
    };
    if !low_ports::may_be_granted() {
        let address = SocketAddr::new(address.ip(), port);
        return Err(BindError::NoPermission { address, limit }.into());
    }
    Ok(Some(credentials.with_low_ports()))
}

fn variables(context: &Context, user: &FlaskUser, least: LogLevel) -> Vec<(OsString, OsString)> {
    let mut env = environment::variables(context);
    let mut set = |name: &str, value: OsString| {
        env.retain(|(known, _)| known != name);
        env.push((name.into(), value));
    };
    set("FLASK_APP", "main.py".into());
    match home(context, user) {
        Ok(home) => set("HOME", home.into()),
        Err(failure) => {
            let text = format!("HOME stays as it is: {failure}");
            say(least, LogLevel::Warn, &text);
        }
    }
    for name in ["USER", "LOGNAME"] {
        set(name, user.user.name.clone().into());
    }
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

/// As in production: a folder that the user may write.
fn home(context: &Context, user: &FlaskUser) -> Result<PathBuf, Failure> {
    match &user.home {
        Home::Environment(folder) | Home::User(folder) => Ok(folder.clone()),
        Home::Own => runtime_folder::make_home(context, user.is_other.then_some(&user.user)),
    }
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
async fn supervise(
    spawn: Spawn<'_>,
    control: DevControl,
    stop_timeout: Duration,
) -> Result<Exit, Failure> {
    let mut signals = ForwardedSignals::new().map_err(|source| Failure::System {
        what: "handle signals",
        source,
    })?;
    let terminal = Terminal::if_foreground();
    let flask = process::spawn(spawn)?;
    let (site, _claimed) = control.start(flask);
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
                        site.is_stopping.set(true);
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
}
