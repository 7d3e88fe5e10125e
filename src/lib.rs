//! Launcher that turns a folder with a Flask app into a production service behind nginx and uWSGI.
//!
//! # Bird's-eye view
//!
//! ```text
//! command line ─► cli ─┐
//! config.json ─► config ├─► plan ─► render ─► nginx.conf, uwsgi.ini, entry module
//! machine ────► machine ┘    │
//!                            └─► parts ─► supervise ─► nginx, uWSGI      (sys starts, signals, reaps)
//!                                            │  ▲
//!                          status ◄──────────┘  │ health (is it ready), control (what is asked), http
//!                          logs ◄── pipes of every child ──► stdout
//! ```
//!
//! `plan`, `render` and the supervisor's state machine are pure: values in, values out. Effects are at the edge and small.
//!
//! # Who may import whom
//!
//! Arrows point down only; tests/rules/architecture.rs reads and keeps the table.
//!
//! | module | may import |
//! | --- | --- |
//! | `commands` | everything |
//! | `client` | `cli`, `console`, `exit`, `http`, `logs`, `plan` (paths), `runtime_dir`, `status`, `supervise` (answers), `sys` |
//! | `console` | `exit` |
//! | `exit` | the errors of `config`, `render`, `supervise`, `http`, `sys` |
//! | `parts` | `plan`, `supervise`, `health`, `logs`, `sys` |
//! | `control` | `supervise` (its commands), `health`, `http`, `status` |
//! | `supervise` | `health`, `logs`, `status`, `sys` |
//! | `health` | `http` |
//! | `render` | `plan`, `machine` |
//! | `plan` | `config`, `machine` |
//! | `telemetry` | `logs` |
//! | `runtime_dir` | `sys` |
//! | `cli`, `config`, `machine`, `status`, `http`, `logs`, `sys` | nothing of ours |
//!
//! # Invariants
//!
//! 1. `plan` and `render` never see the file system, the clock or the environment.
//! 2. `supervise` knows children, not nginx or uWSGI; `parts` is the only place that knows both.
//! 3. One place starts children (`sys::process`), one waits for them (`sys::reap`), one writes the log to stdout
//!    (`logs`), one reads the environment (`commands::context`, beside clap), one returns the exit code (`main`).
//! 4. Every wait has a deadline, every queue a bound, every socket a limit.
//!
//! # Signals
//!
//! | signal | effect |
//! | --- | --- |
//! | TERM, INT, QUIT | stop gracefully; the second time at once; the third time by SIGKILL |
//! | HUP | reload: new configuration and code with no failed request |
//! | USR1 | the status as a log record |
//! | CHLD | a child, or an orphan, is reaped |
//!
//! Exit codes are in [`exit`].

pub mod cli;
mod client;
pub mod commands;
pub mod config;
mod console;
pub mod control;
pub mod exit;
pub mod health;
pub mod http;
pub mod logs;
pub mod machine;
pub mod parts;
pub mod plan;
pub mod render;
mod runtime_dir;
pub mod status;
pub mod supervise;
pub mod sys;
pub mod telemetry;

use std::process::ExitCode;

/// The whole program, from the command line to the exit code.
pub fn main() -> ExitCode {
    match commands::execute(cli::parse(commands::context::is_empty_variable)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // These two have printed their text already: as the last log record, or as the answer of the launcher.
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
