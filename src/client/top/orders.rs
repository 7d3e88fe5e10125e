//! What `top` asks of the launcher: the report, the end of a worker, its Python stacks.

use hyper::{Method, StatusCode};

use super::super::harmless;
use super::super::launcher::{Launcher, TIMEOUT};
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
    let (status, body) = launcher.answer(&Method::GET, "/status", TIMEOUT).await?;
    if !status.is_success() {
        return Err(Failure::Negative(text(&body)));
    }
    let unreadable =
        |error| Failure::Bug(format!("cannot read the answer of the launcher: {error}"));
    harmless::parse(&body).map_err(unreadable)
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
    let path = format!("/workers/{worker}/stacks");
    match launcher.answer(&Method::POST, &path, TIMEOUT).await {
        Ok((status, body)) if status.is_success() => Done::Text {
            title: format!("Python stacks of worker {worker}"),
            text: text(&body),
        },
        Ok((StatusCode::NOT_FOUND, body)) => Done::Message(unknown(&text(&body))),
        Ok((_, body)) => Done::Message(text(&body).replace('\n', " ")),
        Err(failure) => Done::Message(first_line(&failure)),
    }
}

/// A launcher that knows stacks answers 404 for a worker that there is not; an older one says where else to look.
fn unknown(answer: &str) -> String {
    if answer.starts_with("there is no worker") {
        answer.to_owned()
    } else {
        "This launcher has no stacks: its version is older.".to_owned()
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
        let none = "there is no worker 9; there are 1, 2";
        assert_eq!(unknown(none), none);
        assert!(unknown("not found; try /livez").contains("no stacks"));
    }
}
