//! Parses the JSON of uWSGI's stats socket. The input is untrusted: sizes are limited, and fields that are not needed
//! are dropped while it is read.

use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::worker::{Existence, InFlight, Worker};

/// Slots in all workers together, at most: the largest number that the configuration allows.
const MAX_SLOTS: usize = 1024;
/// Bytes of a request's id, at most; nginx enforces the same limit.
const MAX_ID: usize = 128;
/// The place of the time among the words of nginx's header Microservice-Request, from 0.
const PLACE_OF_TIME: usize = 5;
/// The place of the request's id among them.
const PLACE_OF_ID: usize = 7;
/// Bytes of a request's method, at most.
const MAX_METHOD: usize = 16;
/// Bytes of a request's path, at most.
const MAX_PATH: usize = 1024;

/// What uWSGI says.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Statistics {
    /// uWSGI's main process; 0 when it is not said.
    #[serde(default, rename = "pid")]
    pub(crate) master: i32,
    #[serde(deserialize_with = "workers")]
    pub(crate) workers: Vec<Worker>,
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
    /// `cheap`: it is to have no process now (option cheaper).
    #[serde(default)]
    status: String,
    #[serde(default)]
    cores: Cores,
}

/// The cores (slots) of a worker: their number, and the requests in them.
#[derive(Default)]
struct Cores {
    count: usize,
    requests: Vec<InFlight>,
}

#[derive(Deserialize)]
struct RawCore {
    #[serde(default)]
    in_request: u8,
    #[serde(default)]
    vars: Vars,
    #[serde(default)]
    req_info: RawRequest,
}

#[derive(Default, Deserialize)]
struct RawRequest {
    #[serde(default)]
    request_start: u64,
}

/// The variables of a request that are needed.
#[derive(Default)]
struct Vars {
    id: String,
    /// When nginx had the whole request, in milliseconds since 1970.
    entered: Option<u64>,
    method: String,
    path: String,
    websocket: bool,
}

/// One variable of a request; values beyond the needed ones are dropped.
enum Var {
    /// What nginx says of the request: its id, and when it had all of it.
    FromNginx(String, Option<u64>),
    Id(String),
    Method(String),
    Path(String),
    WebSocket,
    Other,
}

/// Parses the statistics. uWSGI escapes only quotes and backslashes in what clients sent (stats_dump_var in
/// core/stats.c): bytes that are not UTF-8 are left to [`text`], and control characters, which JSON does not allow in
/// strings and needs nowhere else, become spaces. Otherwise one client could blind the watchdog with a `%01` in a path.
pub(crate) fn parse(mut bytes: Vec<u8>) -> io::Result<Statistics> {
    for byte in &mut bytes {
        if byte.is_ascii_control() {
            *byte = b' ';
        }
    }
    Ok(serde_json::from_slice(&bytes)?)
}

/// Drops stale requests. While a process does not accept yet, requests older than it belong to its dead predecessor:
/// uWSGI's master reports the new process at once, and the new process clears the old requests when it first runs,
/// which is before it accepts (uwsgi_respawn_worker in core/master_utils.c). Once it accepts, all requests are its own,
/// whatever the times say: both are from the wall clock, and after a step back its own requests would seem older than
/// the process. After a step back before the respawn, a predecessor's request is reported for that moment; its age is
/// counted anew for the new process, so no worker is killed for it.
fn worker(raw: RawWorker) -> Worker {
    let mut in_flight = raw.cores.requests;
    let accepting = raw.accepting == 1;
    in_flight.retain(|request| accepting || request.started >= raw.last_spawn);
    Worker {
        id: raw.id,
        pid: raw.pid,
        accepting,
        requests: raw.requests,
        in_flight,
        // uWSGI starts a successor as soon as it buries a process, unless it cannot, or when the kernel has told it that it
        // has no children (uwsgi_master_commit_status in core/master_checks.c).
        existence: if raw.pid > 0 || raw.status == "cheap" {
            Existence::Alive
        } else {
            Existence::Dead
        },
        usage: None,
    }
}

fn workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Worker>, D::Error> {
    struct Workers;
    impl<'de> Visitor<'de> for Workers {
        type Value = Vec<Worker>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of workers")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut workers = Vec::new();
            let mut slots = 0;
            while let Some(raw) = list.next_element::<RawWorker>()? {
                slots += raw.cores.count.max(1);
                within_slots(slots)?;
                workers.push(worker(raw));
            }
            Ok(workers)
        }
    }
    deserializer.deserialize_seq(Workers)
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Cores;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of cores")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cores, A::Error> {
                let mut cores = Cores::default();
                while let Some(core) = list.next_element::<RawCore>()? {
                    cores.count += 1;
                    within_slots(cores.count)?;
                    if core.in_request == 1 {
                        cores.requests.push(InFlight {
                            id: core.vars.id,
                            method: core.vars.method,
                            path: core.vars.path,
                            websocket: core.vars.websocket,
                            started: core.req_info.request_start,
                            entered: core.vars.entered,
                        });
                    }
                }
                Ok(cores)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

fn within_slots<E: serde::de::Error>(slots: usize) -> Result<(), E> {
    if slots > MAX_SLOTS {
        return Err(E::custom(format_args!("more than {MAX_SLOTS} slots")));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Vars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Vars;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of variables")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vars, A::Error> {
                let mut vars = Vars::default();
                while let Some(var) = list.next_element()? {
                    match var {
                        Var::FromNginx(id, entered) => (vars.id, vars.entered) = (id, entered),
                        Var::Id(id) => vars.id = id,
                        Var::Method(method) => vars.method = method,
                        Var::Path(path) => vars.path = path,
                        Var::WebSocket => vars.websocket = true,
                        Var::Other => {}
                    }
                }
                Ok(vars)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Var {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Var;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a variable")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Var, E> {
                Ok(var(bytes))
            }
        }
        deserializer.deserialize_bytes(Text)
    }
}

/// Parses `name=value`; a path loses its query, which may hold secrets.
fn var(bytes: &[u8]) -> Var {
    let mut parts = bytes.splitn(2, |byte| *byte == b'=');
    let (name, value) = (parts.next(), parts.next().unwrap_or_default());
    match name {
        // nginx's own header, see nginx/proxy.conf.
        Some(b"HTTP_MICROSERVICE_REQUEST") => {
            let mut words = value.split(|byte| *byte == b' ').skip(PLACE_OF_TIME);
            let time = words.next().and_then(milliseconds);
            let id = words.nth(PLACE_OF_ID - PLACE_OF_TIME - 1);
            Var::FromNginx(text(id.unwrap_or_default(), MAX_ID), time)
        }
        // A request that does not come from nginx, such as a health check.
        Some(b"HTTP_X_REQUEST_ID") => Var::Id(text(value, MAX_ID)),
        // From the entry module; a client's headers begin with HTTP_.
        Some(b"MICROSERVICE_WEBSOCKET") => Var::WebSocket,
        Some(b"REQUEST_METHOD") => Var::Method(text(value, MAX_METHOD)),
        Some(b"REQUEST_URI") => {
            let path = value.split(|byte| *byte == b'?').next();
            Var::Path(text(path.unwrap_or_default(), MAX_PATH))
        }
        _ => Var::Other,
    }
}

/// `t=1732486400.123`, as nginx writes it, in milliseconds.
fn milliseconds(word: &[u8]) -> Option<u64> {
    let word = std::str::from_utf8(word.strip_prefix(b"t=")?).ok()?;
    let (seconds, fraction) = word.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let fraction: u64 = fraction.parse().ok().filter(|_| fraction.len() == 3)?;
    seconds.checked_mul(1000)?.checked_add(fraction)
}

/// The first `max` bytes as text. Control characters, which JSON escapes may have produced, become spaces.
fn text(bytes: &[u8], max: usize) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(max)])
        .replace(|c: char| c.is_control(), " ");
    // The replacement of bytes that are not UTF-8 is longer than they are.
    while text.len() > max {
        text.pop();
    }
    text
}

#[cfg(test)]
#[path = "stats_json_tests.rs"]
mod tests;
