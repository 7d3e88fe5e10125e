//! `status`: how the running service is, once or again and again.

use std::time::Duration;

use hyper::Method;

use super::control_socket::{self, TIMEOUT};
use super::status_text;
use crate::cli::{ServiceOptions, StatusArgs};
use crate::exit::Failure;
use crate::output::print;
use crate::status::StatusReport;

/// Pause between two questions of `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Prints the status, once or again and again.
pub(crate) fn status(options: &ServiceOptions, args: &StatusArgs) -> Result<(), Failure> {
    let mut before = String::new();
    loop {
        let (_, body) = control_socket::ask(options, &Method::GET, "/status", TIMEOUT)?;
        let report: StatusReport = serde_json::from_slice(&body)
            .map_err(|error| Failure::Bug(format!("cannot read the status: {error}")))?;
        let text = if args.json {
            String::from_utf8_lossy(&body).into_owned()
        } else {
            status_text::text(&report)
        };
        if text != before {
            print(&text)?;
            before = text;
        }
        if !args.watch {
            return readiness(&report);
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

fn readiness(report: &StatusReport) -> Result<(), Failure> {
    if report.ready {
        return Ok(());
    }
    let reason = report.reason.as_deref().unwrap_or("no reason is known");
    Err(Failure::Negative(format!("not ready: {reason}")))
}
