//! Routes the command line, and runs the commands that need no running launcher, one file for each; the others are in
//! `client`. `findings` prints problems of a configuration, `flask` knows
//! how flask is called, `log` starts the log of `run`, `end` ends a run.
#![forbid(unsafe_code)]

mod check;
mod control_socket;
mod dev;
mod dev_control;
mod end;
mod findings;
mod flask;
mod log;
mod read_stacks;
mod render;
mod run;
mod serve;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::client::{self, Launcher};
use crate::console::print;
use crate::context;
use crate::exit::Failure;

/// Runs the command that was typed.
pub(crate) fn execute(cli: Cli) -> Result<(), Failure> {
    let service = &cli.service;
    let launcher = || Launcher::new(context::runtime_dirs(service, &context::environment()));
    match cli.command {
        Command::Run(args) => run::run(service, args),
        Command::Check(args) => check::check(service, &args),
        Command::Render(args) => render::render(service, args.out.as_deref()),
        Command::Status(args) => client::status(&launcher(), &args),
        Command::Top => {
            let env = context::environment();
            let variable = |name| env.get(name).map(String::as_str);
            client::top(&launcher(), variable("TERM"), variable("NO_COLOR"))
        }
        Command::Reload => client::reload(&launcher()),
        Command::RestartWorker(args) => client::restart_worker(&launcher(), args.id),
        Command::Profile(args) => client::profile(&launcher(), &args),
        Command::Healthcheck => client::healthcheck(&launcher()),
        Command::Schema => schema(),
        Command::Completions(args) => completions(args.shell),
        Command::ReadStacks(args) => read_stacks::read_stacks(&args),
    }
}

fn schema() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&crate::config::schema::schema())
        .map_err(|error| Failure::Bug(error.to_string()))?;
    print(&format!("{text}\n"))
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "microservice-flask", &mut text);
    print(&String::from_utf8_lossy(&text))
}
