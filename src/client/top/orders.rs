//! What `top` asks of the launcher: the report, the end of a worker, its Python stacks.

use hyper::Method;

use super::super::granted::{self, granted};
use super::super::harmless;
use super::super::launcher::{Launcher, TIMEOUT};
use super::super::stacks;
use crate::exit::Failure;
use crate::status::StatusReport;

/// What has come of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// One line says it.
    Message(String),
    /// A text to be read.
    Text { title: String, text: String },
}

/// The report of now.
pub(super) async fn report(launcher: &Launcher) -> Result<StatusReport, Failure> {
    let answer = launcher.answer(&Method::GET, "/status", TIMEOUT).await?;
    granted::read(&granted(answer)?)
}

/// Ends a worker.
pub(super) async fn end(launcher: &Launcher, worker: u32) -> Done {
    let path = format!("/workers/{worker}/restart");
    Done::Message(match launcher.answer(&Method::POST, &path, TIMEOUT).await {
        Ok((_, body)) => text(&body).replace('\n', " "),
        Err(failure) => first_line(&failure),
    })
}

/// Where each thread of a worker is in its Python code.
pub(super) async fn stacks(launcher: &Launcher, worker: u32) -> Done {
    let path = stacks::path(Some(worker));
    let answer = launcher.answer(&Method::POST, &path, TIMEOUT).await;
    let text = answer
        .and_then(granted)
        .and_then(|body| stacks::of_answer(&body));
    match text {
        Ok(text) => Done::Text {
            title: format!("Python stacks of worker {worker}"),
            text,
        },
        Err(failure) => Done::Message(first_line(&failure)),
    }
}

/// The first line of a failure, without hints.
pub(super) fn first_line(failure: &Failure) -> String {
    let text = harmless::lines(&failure.to_string());
    text.lines().next().unwrap_or_default().to_owned()
}

fn text(body: &[u8]) -> String {
    let text = harmless::lines(&String::from_utf8_lossy(body));
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_harmless_and_short() {
        assert_eq!(
            text(b"worker 3 \x1b[31m is ended\n"),
            "worker 3 \\x1b[31m is ended"
        );
        let failure = Failure::Negative("no\x07\n  hint: more".to_owned());
        assert_eq!(first_line(&failure), "no\\x07");
    }
}
