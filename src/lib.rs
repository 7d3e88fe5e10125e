//! Launcher that turns a folder with a Flask app into a production service behind nginx and uWSGI.
//!
//! ```text
//! command line ─► cli ─► commands ─┬─► context: config (config.json) and host (the machine) ─► plan ─► render
//!                                  ├─► generation: folder, files and children of one plan
//!                                  │      └─► programs::{nginx, uwsgi} ─► supervise ─► sys ─► processes
//!                                  │             supervise::machine decides (pure), supervise::run acts
//!                                  ├─► telemetry: one sampler, one report ─► control (answers HTTP requests) ◄─── client
//!                                  └─► logs ◄── pipes of every child; events: the launcher's own
//! ```
//! `docs/architecture.md` says where to look, and follows data through the files.
//!
//! # Who may import whom
//!
//! | module | may import |
//! | --- | --- |
//! | `commands` | everything |
//! | `internals` (for tests and benchmarks) | `config`, `control`, `host`, `http`, `logs`, `plan`, `programs`, `queue`, `reload_answer`, `render`, `stacks`, `status`, `supervise`, `sys`, `telemetry` |
//! | `client` | `cli`, `console`, `exit`, `http`, `logs`, `plan`, `reload_answer`, `runtime_dir`, `stacks`, `status`, `sys` |
//! | `generation` | `cli`, `config`, `context`, `exit`, `host`, `plan`, `programs`, `queue`, `render`, `runtime_dir`, `status`, `supervise`, `sys`, `telemetry/pace` |
//! | `context` | `cli`, `config`, `exit`, `host`, `plan`, `runtime_dir`, `sys` |
//! | `control` | `exit`, `http`, `page`, `reload_answer`, `stacks`, `status`, `supervise`, `telemetry` |
//! | `console` | `exit` |
//! | `exit` | `config`, `http`, `reload_answer`, `render`, `supervise`, `sys` |
//! | `programs` | `host/user`, `http`, `logs`, `plan`, `queue`, `status`, `supervise`, `sys`, `telemetry/pace` |
//! | `queue`, `stacks` | `status`, `sys` |
//! | `supervise` | `logs`, `reload_answer`, `status`, `sys` |
//! | `supervise/machine` | `supervise/uptime`, `sys/process`, `sys/reap` |
//! | `telemetry` | `logs`, `status`, `supervise`, `sys` |
//! | `telemetry/pace` | `sys/runtime` |
//! | `events` | `logs` |
//! | `page` | `status` |
//! | `render` | `host`, `plan` |
//! | `plan` | `config`, `host`, `logs/options` |
//! | `config` | `logs/options`, `sys/files` |
//! | `host`, `runtime_dir` | `sys` |
//! | `cli`, `http`, `logs`, `reload_answer`, `status`, `supervise/uptime`, `sys` | nothing of ours |
//!
//! # Invariants
//!
//! 1. `config`, `plan`, `render` and `supervise::machine` never see the file system, the clock or the environment.
//! 2. `supervise` knows children, not nginx or uWSGI: it uses them through the traits of `supervise::program`.
//! 3. One place each starts processes, waits for them, writes stdout, reads the environment, returns the exit code.
//! 4. Every wait has a deadline, every queue a bound, every socket a limit, every program a time limit.

mod cli;
mod client;
mod commands;
mod config;
mod console;
mod context;
mod control;
mod events;
mod exit;
mod generation;
mod host;
mod http;
pub mod internals;
mod logs;
mod page;
mod plan;
mod programs;
mod queue;
mod reload_answer;
mod render;
mod runtime_dir;
mod stacks;
mod status;
mod supervise;
mod sys;
mod telemetry;

use std::process::ExitCode;

/// The whole program: from the command line to the exit code.
pub fn main() -> ExitCode {
    match commands::execute(cli::parse(context::is_empty_variable)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // The last log record of a run says this already; other failures may have been printed.
            if !matches!(
                failure,
                exit::Failure::Ended { .. } | exit::Failure::Reported { .. }
            ) {
                console::print_error(&format!("microservice-flask: {failure}\n"));
            }
            ExitCode::from(failure.code())
        }
    }
}
