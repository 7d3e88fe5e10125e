//! `run`: decides between production and development.

use std::time::Instant;

use super::{dev, findings, serve};
use crate::cli::{LogLevel, RunArgs, ServiceOptions};
use crate::config::Config;
use crate::console::print_error;
use crate::context;
use crate::exit::Failure;
use crate::sys::rights;
use crate::sys::signals;

/// Loads the configuration and hands over to [`serve`] or [`dev`]. Command-line options win over `use_nginx`.
pub(super) fn run(options: &ServiceOptions, args: RunArgs) -> Result<(), Failure> {
    signals::block_until_handled();
    rights::protect();
    let started = Instant::now();
    let mut context = context::load(options)?;
    if !args.dev && !args.production {
        context.require_mode();
    }
    let production = match (args.dev, args.production) {
        (true, _) => false,
        (_, true) => true,
        _ => context.config.use_nginx.unwrap_or(false),
    };
    if production {
        return serve::serve(options, context, started, args.production);
    }
    if context.findings.has_problems() || options.log_level <= LogLevel::Warn {
        findings::print(&context.findings);
    }
    context.fail_on_problems()?;
    if !args.dev
        && options.log_level <= LogLevel::Info
        && let Some(why) = development_by_default(&context.config)
    {
        print_error(&format!("microservice-flask: {why}\n"));
    }
    dev::dev(options, &context, args, started)
}

/// The reason for development when neither `--dev` nor `use_nginx` asked for it; else none.
fn development_by_default(config: &Config) -> Option<String> {
    if config.use_nginx.is_some() {
        return None;
    }
    let why = config.file.as_ref().map_or_else(
        || "no config.json was found".to_owned(),
        |file| format!("{} has no use_nginx", file.display()),
    );
    Some(format!(
        "this is development, under flask, because {why}; for production set \"use_nginx\": true there or give --production"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_for_development_is_given_unless_it_was_requested() {
        let why = |file: Option<&str>, text: Option<&str>| {
            development_by_default(&crate::config::load(file.map(Into::into), text).0)
        };
        let reason = why(Some("/opt/x/config.json"), Some("{}")).unwrap();
        assert!(
            reason.contains("/opt/x/config.json has no use_nginx"),
            "{reason}"
        );
        let reason = why(None, None).unwrap();
        assert!(reason.contains("no config.json was found"), "{reason}");
        assert_eq!(why(None, Some(r#"{"use_nginx": false}"#)), None);
    }
}
