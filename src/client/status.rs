//! `status`: the running service's status, as text or as the launcher's JSON, once or whenever it changes.

use std::time::Duration;

use hyper::Method;

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
        let report: StatusReport = serde_json::from_slice(&body)
            .map_err(|error| Failure::Bug(format!("cannot read the status: {error}")))?;
        let text = if args.json {
            String::from_utf8_lossy(&body).into_owned()
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
