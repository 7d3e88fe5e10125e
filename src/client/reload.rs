//! `reload`: asks the running launcher for a reload, waits for its result.

use std::time::Duration;

use hyper::Method;

use super::control_socket;
use crate::cli::ServiceOptions;
use crate::exit::{self, Failure};
use crate::output::{print, print_error};
use crate::status::{ReloadAnswer, ReloadOutcome};

/// A reload may take as long as the start of an application, twice with a canary.
const TIMEOUT: Duration = Duration::from_secs(580);

/// Asks for a reload. Its exit code is that of the result.
pub(crate) fn reload(options: &ServiceOptions) -> Result<(), Failure> {
    let (_, body) = control_socket::ask(options, &Method::POST, "/reload", TIMEOUT)?;
    let answer: ReloadAnswer = serde_json::from_slice(&body)
        .map_err(|error| Failure::Bug(format!("cannot read the answer: {error}")))?;
    if answer.outcome == ReloadOutcome::Committed {
        return print(&format!("{}\n", answer.text));
    }
    print_error(&format!("{}\n", answer.text));
    Err(Failure::Told {
        code: exit::reload_code(answer.outcome),
    })
}
