//! Requests whose body does not come, which hold a place in nginx and no slot, and the answers that others get for want of
//! a place.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::http::{Failure, Request, Response, TIMEOUT, Target};
use crate::running::Running;
use crate::wait::until;

/// A POST that announces a body of this length.
pub(crate) fn upload(length: usize) -> Request {
    Request::new("POST", "/post").header("Content-Length", length.to_string())
}

/// Sends a request up to the first byte of the body that it announces, when nginx has given it a place and reads the body.
pub(crate) fn try_begin(running: &Running, request: &Request) -> Result<Connection, Failure> {
    let deadline = Instant::now() + TIMEOUT;
    let mut connection = Connection::open(&Target::from(running.address), TIMEOUT)?;
    let head = request.clone().header("Expect", "100-continue").head();
    connection.write(head.as_bytes(), deadline)?;
    let answer = connection.read_until("\r\n\r\n", deadline)?;
    if !answer.starts_with("HTTP/1.1 100 ") {
        return Err(Failure::Malformed(answer));
    }
    // Also the beginning of a chunk.
    connection.write(b"1", deadline)?;
    Ok(connection)
}

/// So many of these requests, each on its own connection.
#[track_caller]
pub(crate) fn begin(running: &Running, request: &Request, count: usize) -> Vec<Connection> {
    let begin = |_| try_begin(running, request).unwrap();
    (0..count).map(begin).collect()
}

/// Sends the remaining bytes of the body, which has this length in all.
pub(crate) fn finish(connection: &mut Connection, length: usize) -> Result<Response, Failure> {
    let deadline = Instant::now() + TIMEOUT;
    connection.write(&vec![b'x'; length - 1], deadline)?;
    connection.read_response("POST", deadline)
}

/// Sends the head of a request alone: an answer without its body is one that was there at once.
pub(crate) fn ask_with_head_only(running: &Running, request: &Request) -> Response {
    let deadline = Instant::now() + TIMEOUT;
    let mut connection = running.connect();
    connection
        .write(request.head().as_bytes(), deadline)
        .unwrap();
    connection.read_response(request.method, deadline).unwrap()
}

/// Requests whose headers nginx has, and that it has not answered yet.
pub(crate) fn in_nginx(running: &Running) -> Option<u64> {
    let status = running.ask_admin("/status").ok()?.json();
    status["clients"]["writing"].as_u64()
}

/// Waits until nginx has answered all requests.
#[track_caller]
pub(crate) fn wait_for_calm(running: &Running) {
    until(Duration::from_secs(20), "all requests are over", || {
        (in_nginx(running) == Some(0)).then_some(())
    });
}

#[track_caller]
pub(crate) fn assert_refused(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let after = answer.header("Retry-After").unwrap_or_default();
    assert!(
        after.parse::<u32>().is_ok_and(|seconds| seconds >= 1),
        "Retry-After: {after:?}"
    );
    assert!(answer.header("X-Request-ID").is_some());
}

/// How many requests the metrics say were refused for this cause.
#[track_caller]
pub(crate) fn counted_as(running: &Running, cause: &str) -> u64 {
    let metrics = running.ask_admin("/metrics").unwrap().text();
    let name = format!("microservice_flask_requests_shed_total{{cause=\"{cause}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

/// Stops the service, so that all records have been written, and counts the reasons of those with this status.
#[track_caller]
pub(crate) fn reasons_after_stop(running: &mut Running, status: u16) -> BTreeMap<String, usize> {
    running.stop(Duration::from_secs(20));
    let mut reasons = BTreeMap::new();
    let has_status =
        |line: &crate::log::Line| line.is_from("nginx.access") && line.json["status"] == status;
    for record in running.log.filter(has_status) {
        *reasons.entry(record.str("reason").to_owned()).or_default() += 1;
    }
    reasons
}
