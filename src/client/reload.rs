//! `reload`: has the running launcher take on new configuration and code, and waits for the outcome.

use std::time::Duration;

use hyper::Method;

use super::granted;
use super::launcher::Launcher;
use crate::console::{print, print_error};
use crate::exit::{self, Failure};
use crate::reload_answer::{ReloadAnswer, ReloadOutcome};

/// A reload with a canary may take as long as two starts of the application.
const TIMEOUT: Duration = Duration::from_secs(580);

/// Prints the text of the outcome, and exits with its code.
pub(crate) fn reload(launcher: &Launcher) -> Result<(), Failure> {
    let (_, body) = launcher.ask(&Method::POST, "/reload", TIMEOUT)?;
    let answer: ReloadAnswer = granted::read(&body)?;
    if answer.outcome == ReloadOutcome::Committed {
        return print(&format!("{}\n", answer.text));
    }
    print_error(&format!("{}\n", answer.text));
    Err(Failure::Reported {
        code: exit::reload_code(answer.outcome),
    })
}
