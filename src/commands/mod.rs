//! One file for each command; the composition roots. [`context`] is what several of them start with.
#![forbid(unsafe_code)]

pub mod ask;
pub mod check;
pub mod context;
pub mod dev;
pub mod generation;
pub mod log;
pub mod nginx_test;
pub mod reload;
pub mod render;
pub mod run;
pub mod serve;
pub mod status;

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::exit::Failure;

/// Does what was typed.
pub fn execute(cli: Cli) -> Result<(), Failure> {
    let service = &cli.service;
    match cli.command {
        Command::Run(args) => run::run(service, args),
        Command::Check => check::check(service),
        Command::Render(args) => render::render(service, args.out.as_deref()),
        Command::Status(args) => status::status(service, &args),
        Command::Reload => reload::reload(service),
        Command::RestartWorker(args) => status::restart_worker(service, args.id),
        Command::Healthcheck => status::healthcheck(service),
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

/// Prints to stdout. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::System {
            what: "write to stdout",
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints to stderr, where nothing better can be done when that fails.
pub fn complain(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}
