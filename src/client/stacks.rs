//! `status --stacks`: what the threads of the workers do, in Python.

use hyper::Method;

use super::granted::{self, granted};
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
    let body = granted(launcher.ask(&Method::POST, &path, TIMEOUT)?)?;
    print(&if as_json {
        granted::json(&body)?
    } else {
        of_answer(&body)?
    })
}

/// The path of the question.
pub(super) fn path(worker: Option<u32>) -> String {
    worker.map_or_else(
        || "/stacks".to_owned(),
        |worker| format!("/workers/{worker}/stacks"),
    )
}

/// The answer as text.
pub(super) fn of_answer(body: &[u8]) -> Result<String, Failure> {
    let answer: StacksAnswer = granted::read(body)?;
    Ok(text::text(&answer))
}
