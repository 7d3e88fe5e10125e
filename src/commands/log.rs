//! The log of `run`: from the plan's words to the log's own, and its start.

use std::io;
use std::os::fd::AsFd as _;

use super::context::Context;
use super::run;
use crate::cli::ServiceOptions;
use crate::config;
use crate::exit::Failure;
use crate::logs::{self, Access, Logs, OnFull, Options};
use crate::plan::{self, Plan};

// What the configuration takes is what the log can do.
const _: () = assert!(config::log::SMALLEST_BUFFER == logs::ring::SMALLEST as u64);

/// What the log is asked to be.
pub fn options(options: &ServiceOptions, context: &Context, plan: &Plan) -> Options {
    let no_color = context
        .env
        .get("NO_COLOR")
        .is_some_and(|value| !value.is_empty());
    Options {
        format: run::log_format(options.log_format, no_color),
        on_full: match plan.log.on_full {
            config::log::OnFull::Drop => OnFull::Drop,
            config::log::OnFull::Block => OnFull::Block,
        },
        buffer: usize::try_from(plan.log.buffer).unwrap_or(usize::MAX),
        access: match plan.log.access {
            plan::log::Access::All => Access::All,
            plan::log::Access::Errors { slow } => Access::Errors { slow },
            plan::log::Access::Off => Access::Off,
        },
    }
}

/// Starts the log and sends the launcher's own events through it.
pub fn start(options: Options, plan: &Plan) -> Result<Logs, Failure> {
    let refused = |what| move |source: io::Error| Failure::System { what, source };
    let out = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(refused("duplicate stdout"))?;
    let logs = logs::start(options, out).map_err(refused("start the log"))?;
    if let Some(user) = &plan.user {
        // nginx opens its stdout again by name (/dev/stdout), and so may the application.
        for source in logs::Source::PIPED {
            nix::unistd::fchown(
                logs.pipe(source),
                Some(user.uid.into()),
                Some(user.gid.into()),
            )
            .map_err(|error| Failure::System {
                what: "hand a log pipe to the workers' user",
                source: error.into(),
            })?;
        }
    }
    crate::telemetry::init(logs.sink()).map_err(|error| Failure::Bug(error.to_string()))?;
    Ok(logs)
}
