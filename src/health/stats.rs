//! What uWSGI tells about its workers on its stats socket.
//!
//! It is the only sign of readiness that holds: the application's socket and READY=1 come before the workers accept.
//! The statistics hold whole request headers, cookies and tokens included, so they are never passed on as they are:
//! only what [`Worker`] names leaves this module.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

/// uWSGI answers from its master's loop, which may be busy reaping; more than this and it hangs.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes that are taken: 1024 workers with 64 KiB of headers each.
const LARGEST: u64 = 96 * 1024 * 1024;

/// One worker process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its number, from 1.
    pub id: u32,
    /// Its process; 0 when it has none.
    pub pid: i32,
    /// Whether it takes requests.
    pub accepting: bool,
    /// Requests that it has finished.
    pub requests: u64,
    /// Requests under way.
    pub current: Vec<Request>,
}

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: String,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// When it started, in seconds since 1970.
    pub started: u64,
}

#[derive(Deserialize)]
struct RawStats {
    workers: Vec<RawWorker>,
}

#[derive(Deserialize)]
struct RawWorker {
    id: u32,
    pid: i32,
    #[serde(default)]
    accepting: u8,
    #[serde(default)]
    requests: u64,
    #[serde(default)]
    last_spawn: u64,
    #[serde(default)]
    cores: Vec<RawCore>,
}

#[derive(Deserialize)]
struct RawCore {
    #[serde(default)]
    in_request: u8,
    #[serde(default)]
    vars: Vec<String>,
    #[serde(default)]
    req_info: RawRequest,
}

#[derive(Default, Deserialize)]
struct RawRequest {
    #[serde(default)]
    request_start: u64,
}

/// Asks a stats socket.
pub async fn read(socket: &Path) -> io::Result<Vec<Worker>> {
    let exchange = async {
        let stream = UnixStream::connect(socket).await?;
        let mut bytes = Vec::new();
        stream.take(LARGEST).read_to_end(&mut bytes).await?;
        parse(&bytes)
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Reads the statistics. uWSGI writes what clients sent as it is, but for quotes and backslashes (stats_dump_var in
/// core/stats.c): bytes that are not UTF-8 are replaced, and control characters, which JSON does not know in strings and
/// needs nowhere else, become spaces. One client could blind the watch with a `%01` in a path otherwise.
fn parse(bytes: &[u8]) -> io::Result<Vec<Worker>> {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if text.contains(|c: char| c.is_ascii_control()) {
        text = text.replace(|c: char| c.is_ascii_control(), " ");
    }
    let raw: RawStats = serde_json::from_str(&text)?;
    Ok(raw.workers.iter().map(worker).collect())
}

/// Requests older than the process are its dead predecessor's: uWSGI's master tells the new process at once, and the
/// new process forgets the old requests when it first gets to run (uwsgi_respawn_worker in core/master_utils.c).
fn worker(raw: &RawWorker) -> Worker {
    Worker {
        id: raw.id,
        pid: raw.pid,
        accepting: raw.accepting == 1,
        requests: raw.requests,
        current: raw
            .cores
            .iter()
            .filter(|core| core.in_request == 1)
            .map(request)
            .filter(|request| request.started >= raw.last_spawn)
            .collect(),
    }
}

fn request(core: &RawCore) -> Request {
    let vars: BTreeMap<&str, &str> = core
        .vars
        .iter()
        .filter_map(|var| var.split_once('='))
        .collect();
    let var = |name: &str| {
        vars.get(name)
            .map(|value| (*value).to_owned())
            .unwrap_or_default()
    };
    let uri = var("REQUEST_URI");
    Request {
        id: var("HTTP_X_REQUEST_ID"),
        method: var("REQUEST_METHOD"),
        path: uri.split('?').next().unwrap_or_default().to_owned(),
        started: core.req_info.request_start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_leaves() {
        let text = br#"{"version":"2.0.21","workers":[
            {"id":1,"pid":42,"accepting":1,"requests":7,"cores":[{"in_request":1,"vars":
              ["REQUEST_METHOD=GET","REQUEST_URI=/report?token=secret","HTTP_COOKIE=session=secret","HTTP_X_REQUEST_ID=r1"],
              "req_info":{"request_start":1700000000}}]},
            {"id":2,"pid":0,"accepting":0,"requests":0,"cores":[{"in_request":0,"vars":[],"req_info":{}}]}]}"#;
        let workers = parse(text).unwrap();
        assert_eq!(workers[0].current[0].path, "/report");
        assert_eq!(workers[0].current[0].id, "r1");
        assert!(!format!("{workers:?}").contains("secret"));
        assert!(!workers[1].accepting && workers[1].current.is_empty());
    }

    #[test]
    fn control_characters_of_a_client_do_not_blind() {
        let (head, tail) = (
            br#"{"workers":[{"id":1,"pid":42,"cores":[{"in_request":1,"vars":["PATH_INFO=/a"#,
            br#"b","HTTP_X_REQUEST_ID=r1"],"req_info":{"request_start":1}}]}]}"#,
        );
        for byte in (0..=u8::MAX).filter(|byte| !b"\"\\".contains(byte)) {
            let text = [head.as_slice(), &[byte], tail].concat();
            let workers = parse(&text).unwrap_or_else(|error| panic!("byte {byte}: {error}"));
            assert_eq!(workers[0].current[0].id, "r1");
        }
    }

    #[test]
    fn requests_of_a_dead_predecessor_are_not_the_new_process_s() {
        let text = br#"{"workers":[{"id":1,"pid":43,"accepting":0,"last_spawn":1700000007,"cores":[
            {"in_request":1,"vars":["HTTP_X_REQUEST_ID=old"],"req_info":{"request_start":1700000000}},
            {"in_request":1,"vars":["HTTP_X_REQUEST_ID=new"],"req_info":{"request_start":1700000007}}]}]}"#;
        let current = &parse(text).unwrap()[0].current;
        let ids: Vec<&str> = current.iter().map(|request| request.id.as_str()).collect();
        assert_eq!(ids, ["new"]);
    }
}
