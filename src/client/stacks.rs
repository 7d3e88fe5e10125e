//! `status --stacks`: what the threads of the workers do, in Python.

use hyper::Method;

use super::harmless;
use super::launcher::{Launcher, TIMEOUT};
use crate::console::print;
use crate::exit::Failure;
use crate::stacks::{StacksAnswer, text};

/// Of this worker, or of all that have requests.
pub(super) fn stacks(
    launcher: &Launcher,
    worker: Option<u32>,
    as_json: bool,
) -> Result<(), Failure> {
    let path = path(worker);
    let (status, body) = launcher.ask(&Method::POST, &path, TIMEOUT)?;
    if !status.is_success() {
        let text = harmless::lines(&String::from_utf8_lossy(&body));
        return Err(Failure::Negative(text.trim_end().to_owned()));
    }
    let unreadable =
        |error| Failure::Bug(format!("cannot read the answer of the launcher: {error}"));
    if as_json {
        print(&harmless::json(&body).map_err(unreadable)?)
    } else {
        print(&of_answer(&body).map_err(unreadable)?)
    }
}

/// The path of the question.
pub(super) fn path(worker: Option<u32>) -> String {
    worker.map_or_else(
        || "/stacks".to_owned(),
        |worker| format!("/workers/{worker}/stacks"),
    )
}

/// The answer as text.
pub(super) fn of_answer(body: &[u8]) -> Result<String, serde_json::Error> {
    let answer: StacksAnswer = harmless::parse(body)?;
    Ok(text::text(&answer))
}
