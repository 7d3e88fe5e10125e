//! Sends requests that each print a unique number on stdout and stderr, and counts these numbers in the log.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::connection::Connection;
use crate::http::{Request, TIMEOUT, Target};
use crate::load::parallel;
use crate::log::Log;
use crate::running::Running;

/// The sources in which each request has one record.
pub(crate) const SOURCES: [&str; 3] = ["app.stdout", "app.stderr", "nginx.access"];

/// Sends requests with these numbers on keep-alive connections. Calls `sent` after each response with their count.
/// Returns the numbers that were answered 200.
pub(crate) fn tell(
    running: &Running,
    method: &'static str,
    clients: usize,
    numbers: Range<usize>,
    sent: impl Fn(usize) + Sync,
) -> Vec<usize> {
    let (next, answered) = (AtomicUsize::new(numbers.start), AtomicUsize::new(0));
    let target = Target::from(running.address);
    let told = parallel(clients, |_| {
        let mut kept: Option<Connection> = None;
        let mut told = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return told;
            }
            let connection = kept.take().filter(Connection::is_reusable);
            let mut connection =
                connection.unwrap_or_else(|| Connection::open(&target, TIMEOUT).unwrap());
            if let Ok(answer) = connection.send(&request(method, number)) {
                if answer.status == 200 {
                    told.push(number);
                }
                if !answer.closes() {
                    kept = Some(connection);
                }
            }
            sent(answered.fetch_add(1, Ordering::Relaxed) + 1);
        }
    });
    told.concat()
}

fn request(method: &'static str, number: usize) -> Request {
    Request::new(method, format!("/tell/{number}"))
        .header("X-Request-ID", id(number))
        .header("Content-Length", "0")
}

fn id(number: usize) -> String {
    format!("told.{number}")
}

/// How often each number is in the log of a source. Ignores records with another request id than that of the number.
pub(crate) fn counted(log: &Log, source: &str) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    let records = log.filter(|line| line.is_from(source));
    for record in &records {
        let number = match source {
            "app.stdout" => record.message().strip_prefix("out "),
            "app.stderr" => record.message().strip_prefix("err "),
            _ => record.str("path").strip_prefix("/tell/"),
        };
        let number = number.and_then(|number| number.parse().ok());
        if let Some(number) = number.filter(|number| record.str("request_id") == id(*number)) {
            *counts.entry(number).or_default() += 1;
        }
    }
    counts
}

/// Asserts that each of these numbers is in the log exactly once from each source.
#[track_caller]
pub(crate) fn assert_logged_once(log: &Log, numbers: impl IntoIterator<Item = usize>) {
    let numbers: Vec<usize> = numbers.into_iter().collect();
    for source in SOURCES {
        let counts = counted(log, source);
        let wrong: Vec<(usize, usize)> = numbers
            .iter()
            .map(|number| (*number, counts.get(number).copied().unwrap_or_default()))
            .filter(|(_, count)| *count != 1)
            .collect();
        assert!(
            wrong.is_empty(),
            "{source}: {} numbers are not there once (number, count): {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(10)]
        );
    }
}
