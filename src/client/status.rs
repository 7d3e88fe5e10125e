//! `status`: the running service's status, as text or as the launcher's JSON, once or whenever it changes.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use hyper::Method;

use super::granted;
use super::launcher::Launcher;
use super::launcher::TIMEOUT;
use super::{brief, stacks, table};
use crate::cli::StatusArgs;
use crate::console::print;
use crate::exit::Failure;
use crate::status::StatusReport;

/// Pause between two requests with `--watch`.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// Fails when the service is not ready. With `--watch` it returns only when the launcher does not answer.
pub(crate) fn status(launcher: &Launcher, args: &StatusArgs) -> Result<(), Failure> {
    if let Some(worker) = args.stacks {
        return stacks::stacks(launcher, worker, args.json);
    }
    let mut before = String::new();
    loop {
        let (_, body) = launcher.ask(&Method::GET, "/status", TIMEOUT)?;
        let report: StatusReport = granted::read(&body)?;
        let text = if args.json {
            granted::json(&body)?
        } else if args.all {
            table::text(&report)
        } else {
            brief::text(&report, width())
        };
        if text != before {
            print(&in_place(&text, args, before.is_empty()))?;
            before = text;
        }
        if !args.watch {
            return ready_or_why_not(&report);
        }
        std::thread::sleep(WATCH_PAUSE);
    }
}

/// Columns of the terminal; 80 where stdout is none.
fn width() -> usize {
    let size = terminal_size::terminal_size();
    size.map_or(80, |(terminal_size::Width(columns), _)| {
        usize::from(columns).max(40)
    })
}

/// With `--watch` on a terminal, the text over the one before: from the first line on, each line to its end, and what is
/// left below (ECMA-48: CUP, EL, ED).
fn in_place(text: &str, args: &StatusArgs, is_first: bool) -> String {
    if !args.watch || args.json || !io::stdout().is_terminal() {
        return text.to_owned();
    }
    let clear = if is_first { "\x1b[2J" } else { "" };
    format!("{clear}\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
}

fn ready_or_why_not(report: &StatusReport) -> Result<(), Failure> {
    if report.ready {
        return Ok(());
    }
    let reason = report.reason.as_deref().unwrap_or("no reason is known");
    Err(Failure::Negative(format!("not ready: {reason}")))
}
