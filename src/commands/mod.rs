//! The commands that act by themselves, one file for each, and the way from the command line to each command. Those that
//! ask a running launcher are in [`crate::client`].
#![forbid(unsafe_code)]

mod check;
mod dev;
mod end;
mod log;
mod render;
mod run;
mod serve;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::client;
use crate::exit::Failure;
use crate::output::print;

/// Does what was typed.
pub(crate) fn execute(cli: Cli) -> Result<(), Failure> {
    let service = &cli.service;
    match cli.command {
        Command::Run(args) => run::run(service, args),
        Command::Check => check::check(service),
        Command::Render(args) => render::render(service, args.out.as_deref()),
        Command::Status(args) => client::status::status(service, &args),
        Command::Reload => client::reload::reload(service),
        Command::RestartWorker(args) => client::restart_worker::restart_worker(service, args.id),
        Command::Healthcheck => client::healthcheck::healthcheck(service),
        Command::Schema => {
            let text = serde_json::to_string_pretty(&crate::config::schema::schema())
                .map_err(|error| Failure::Bug(error.to_string()))?;
            print(&format!("{text}\n"))
        }
        Command::Completions(args) => {
            let mut text = Vec::new();
            clap_complete::generate(
                args.shell,
                &mut Cli::command(),
                "microservice-flask",
                &mut text,
            );
            print(&String::from_utf8_lossy(&text))
        }
    }
}
