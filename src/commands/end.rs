//! The end of a run: its last log record, which names the child at fault, and its failure.

use std::time::Duration;

use crate::console::print_error;
use crate::exit::Failure;
use crate::logs::{Level, Logs};
use crate::plan::Plan;
use crate::supervise::machine::backoff;
use crate::supervise::machine::identity::Role;
use crate::supervise::machine::outcome::Outcome;

/// Time limit for writing the rest of the log.
const LOG_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes the last record and ends the log. Prints the number of lost lines to stderr, if there are any.
pub(crate) fn end(outcome: Outcome, logs: Logs, plan: &Plan) -> Result<(), Failure> {
    let text = text(&outcome, plan);
    let succeeded = matches!(outcome, Outcome::Stopped | Outcome::Cut);
    let level = if succeeded { Level::Info } else { Level::Error };
    let summary = logs.finish_with(LOG_TIMEOUT, level, &text);
    if !summary.complete {
        let lost = summary.counters.dropped();
        print_error(&format!(
            "microservice-flask: {} log lines ({} bytes) were lost\n",
            lost.lines, lost.bytes
        ));
    }
    if succeeded {
        return Ok(());
    }
    Err(Failure::Ended { outcome, text })
}

fn text(outcome: &Outcome, plan: &Plan) -> String {
    // "If", because an application that calls os._exit() during its import logs nothing.
    let reason = "If it gave a reason, that stands above.";
    let stop_timeout = plan.stop_timeout.as_secs_f64();
    match outcome {
        Outcome::Stopped => "Stopped, as asked.".to_owned(),
        Outcome::Cut => {
            "Stopped at once, as asked a second time: requests under way were cut.".to_owned()
        }
        Outcome::Forced => "Killed, as asked a third time.".to_owned(),
        // The proxy waits for requests that the application has not answered.
        Outcome::StopTimedOut(child) if child.role == Role::Proxy => format!(
            "Stopped by force after {stop_timeout} s (stop_timeout): {} had not ended, which waits for requests under way; they were cut.",
            child.name
        ),
        Outcome::StopTimedOut(child) => format!(
            "Stopped by force after {stop_timeout} s (stop_timeout): {} had not ended. If its processes still ran threads, jobs or exit handlers of the application, these were cut.",
            child.name
        ),
        Outcome::StragglersKilled(child) => format!(
            "Stopped, but processes of {} that did nothing to end had to be killed; what they were doing was cut.",
            child.name
        ),
        Outcome::NotReady(child, why) => format!(
            "Gave up: {} was not ready within {} s (start_timeout){}.",
            child.name,
            plan.start_timeout.as_secs_f64(),
            why.as_ref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default()
        ),
        Outcome::FailedToStart(child, exit) if child.role == Role::Application => format!(
            "Gave up: the application in {} could not be started; uWSGI ended with {exit}. {reason}",
            plan.root.join("src").display()
        ),
        Outcome::FailedToStart(child, exit) => format!(
            "Gave up: {} ended with {exit} before it was ready. {reason}",
            child.name
        ),
        Outcome::CannotRun(child, _) => format!(
            "Gave up: {} cannot be run. The reason stands above.",
            child.name
        ),
        Outcome::CrashedTooOften(child, exit) => format!(
            "Gave up: {} has crashed {}, the last time with {exit}.",
            child.name,
            backoff::budget()
        ),
    }
}
