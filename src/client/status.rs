//! `status`: the running service's status, as text or as the launcher's JSON, once or whenever it changes.

use std::time::Duration;

use hyper::Method;

use super::harmless;
use super::launcher::Launcher;
use super::launcher::TIMEOUT;
use super::table;
use crate::cli::StatusArgs;
use crate::console::print;
use crate::exit::Failure;
use crate::status::StatusReport;

/// Pause between two requests with `--watch`.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// Fails when the service is not ready. With `--watch` it returns only when the launcher does not answer.
pub(crate) fn status(launcher: &Launcher, args: &StatusArgs) -> Result<(), Failure> {
    let mut before = String::new();
    loop {
        let (_, body) = launcher.ask(&Method::GET, "/status", TIMEOUT)?;
        let unreadable =
            |error| Failure::Bug(format!("cannot read the answer of the launcher: {error}"));
        let report: StatusReport = harmless::parse(&body).map_err(unreadable)?;
        let text = if args.json {
            harmless::json(&body).map_err(unreadable)?
        } else {
            table::text(&report)
        };
        if text != before {
            print(&text)?;
            before = text;
        }
        if !args.watch {
            return ready_or_why_not(&report);
        }
        std::thread::sleep(WATCH_PAUSE);
    }
}

fn ready_or_why_not(report: &StatusReport) -> Result<(), Failure> {
    if report.ready {
        return Ok(());
    }
    let reason = report.reason.as_deref().unwrap_or("no reason is known");
    Err(Failure::Negative(format!("not ready: {reason}")))
}
