//! The log of `run`: its format, and its start.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use crate::cli::{LogFormat, LogLevel, ServiceOptions};
use crate::context::Context;
use crate::exit::Failure;
use crate::logs::observed::Observer;
use crate::logs::{self, Format, Level, Logs, Source};
use crate::plan::Plan;

/// The format of records: from `--log-format`, else by whether stdout is a terminal. Colours only for a terminal, and
/// only without `NO_COLOR` (<https://no-color.org>).
pub(crate) fn format(options: &ServiceOptions, context: &Context) -> Format {
    let terminal = io::stdout().is_terminal();
    let no_color = context
        .env
        .get("NO_COLOR")
        .is_some_and(|value| !value.is_empty());
    match options.log_format {
        LogFormat::Json => Format::Json,
        LogFormat::Auto if !terminal => Format::Json,
        LogFormat::Text | LogFormat::Auto => Format::Text {
            colour: terminal && !no_color,
        },
    }
}

/// The least level of records that are written, from `--log-level`.
pub(crate) fn level(options: &ServiceOptions) -> Level {
    match options.log_level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    }
}

/// Starts the log, lets `observer` count what passes, and sends the launcher's own events to it.
pub(crate) fn start(
    format: Format,
    least: Level,
    plan: &Plan,
    observer: Arc<dyn Observer>,
) -> Result<Logs, Failure> {
    let refused = |what| move |source: io::Error| Failure::System { what, source };
    let out = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(refused("duplicate stdout"))?;
    let logs = logs::start(format, least, plan.log, out).map_err(refused("start the log"))?;
    logs.set_observer(observer);
    // nginx opens its stdout again by name (/dev/stdout), and so may the application. Neither may open the other's.
    for source in logs::Source::PIPED {
        let user = match source {
            Source::NginxAccess | Source::NginxError => &plan.nginx_user,
            _ => &plan.user,
        };
        let Some(user) = user else { continue };
        let given = user.credentials().give(logs.pipe(source));
        given.map_err(|error| Failure::System {
            what: "hand a log pipe to the user of a program",
            source: error.into(),
        })?;
    }
    crate::events::init(logs.emitter()).map_err(|error| Failure::Bug(error.to_string()))?;
    Ok(logs)
}
