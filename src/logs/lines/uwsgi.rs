//! uWSGI's own messages: their level, and the worker they are about. Pure.
//!
//! uWSGI has no levels. The known messages are taken from its source: those that need an operator,
//! the deaths of processes, the reasons why a start ends, those of `uwsgi_error()`, which ends
//! the failure of a system call with `[core/socket.c line 198]`, and the routine of a start and a stop, which nobody
//! needs who is not looking for a fault.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::{
    origin::number,
    uwsgi_worker::{is_failed_call, undated},
};
use crate::logs::record::Level;

/// What can be read from one of uWSGI's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UwsgiLine {
    /// The severity.
    pub level: Level,
    /// The number of the worker that the line names.
    pub worker: Option<u32>,
    /// The process that the line names, not always the one that wrote it.
    pub pid: Option<u32>,
}

/// Text that known messages contain, by level; the first match decides. The first ones only look like failures: a file
/// that is expected later, a pidfile that the first start does not have, a reader of the statistics that has left.
const KNOWN: [(Level, &[&str]); 3] = [
    (
        Level::Debug,
        &[
            "events will be triggered as soon as the file is created",
            "\"): No such file or directory [core/daemons.c line ",
            "write(): Broken pipe [core/stats.c line ",
        ],
    ),
    (
        Level::Error,
        &[
            "DAMN ! worker",
            "HARAKIRI",
            "!!! uWSGI process",
            "*** backtrace of",
            "unable to load app",
            "no python application found",
            "no app loaded",
            "NO MERCY",
            "ImportError",
            "ModuleNotFoundError",
            "FATAL hook failed",
            "invalid request block size",
            "unable to find",
            "can't load",
            "realloc()",
            "Segmentation Fault",
            "!!! tried memory allocation",
            "FATAL ERROR",
            "invalid uwsgi request",
            "unavailable loop engine",
            "the master disconnected",
            "unknown config directive",
            "uWSGI error: ",
            "uWSGI ERROR: ",
            "probably another instance of uWSGI",
            "UNABLE to load uWSGI plugin",
            "failed loading app",
            "need-app requested",
            "greater than the system max net.core.somaxconn",
            "option is missing and stdin is not a socket",
            "Python Home is not a directory",
            "no request plugin is loaded",
            "getopt_long() error",
            "unrecognized option",
            "something horrible happened",
        ],
    ),
    (
        Level::Warn,
        &[
            "*** WARNING",
            "[WARNING]",
            "full !!!",
            "write error",
            "Broken pipe",
            "Connection reset by peer",
            "client disconnected",
            "killed by signal",
            "died",
            "respawning too fast",
            "unavailable modifier",
            "SIGPIPE: writing to",
            "() TIMEOUT !!!",
            "[uwsgi-body-read]",
            "[uwsgi-warning]",
            "skip this",
            "not enough buffer space",
        ],
    ),
];

/// The beginnings of lines in which uWSGI refuses its configuration or its environment; after most of them it ends.
const REFUSALS: [&str; 5] = [
    "unable to ",
    "invalid ",
    "could not ",
    "cannot ",
    "you cannot ",
];

/// The beginnings of what uWSGI writes at each start and stop, in the order of a start; none tells of a problem. A process
/// that is replaced has one line left, its `Respawned`.
const ROUTINE: [&str; 51] = [
    "[uWSGI] getting INI configuration from ",
    "uwsgi socket ",
    "*** Starting uWSGI ",
    "compiled with version: ",
    "os: ",
    "nodename: ",
    "machine: ",
    "clock source: ",
    "pcre jit ",
    "detected number of CPU cores: ",
    "current working directory: ",
    "detected binary path: ",
    "your processes number limit is ",
    "your process address space limit is ",
    "your memory page size is ",
    "detected max file descriptor number: ",
    "lock engine: ",
    "thunder lock: ",
    "*** Cache \"",
    "Python version: ",
    "--- Python VM already initialized ---",
    "PEP 405 virtualenv detected: ",
    "Set PythonHome to ",
    "Python main interpreter initialized at ",
    "*** Python threads support is disabled.",
    "python threads support enabled",
    "chdir() to ",
    "setgid() to ",
    "setuid() to ",
    "your server socket listen backlog is limited to ",
    "your mercy for graceful operations on workers is ",
    "mapped ",
    "*** Operational MODE: ",
    "*** uWSGI is running in multiple interpreter mode ***",
    "initialized ",
    "added ",
    "WSGI app ",
    "spawned uWSGI master process ",
    "spawned uWSGI worker ",
    "spawned uWSGI mule ",
    "spawned the uWSGI spooler ",
    "mem-collector thread started ",
    "metrics collector thread started",
    "cache sweeper thread enabled",
    "*** Stats server enabled on ",
    "graceful shutdown triggered...",
    "SIGINT/SIGTERM received...killing workers...",
    "Gracefully killing worker ",
    "...The work of process ",
    "killing the spooler with pid ",
    "goodbye to uWSGI.",
];

/// What the lines contain with which uWSGI confirms the end of a process that it has asked to end.
const ENDED_AS_ASKED: [&[u8]; 3] = [
    b" buried after ",
    b" killed successfully (pid: ",
    b" annihilated",
];

/// Prepared searches for [`KNOWN`]; preparing takes longer than searching.
static FINDERS: LazyLock<Vec<(Level, Finder<'static>)>> = LazyLock::new(|| {
    let ready = |(level, parts): (Level, &'static [&str])| {
        parts.iter().map(move |part| (level, Finder::new(*part)))
    };
    KNOWN.into_iter().flat_map(ready).collect()
});

/// Reads a line of any form; an unknown one has level info.
pub fn parse(line: &[u8]) -> UwsgiLine {
    UwsgiLine {
        level: level(line),
        worker: after(line, b"worker ").or_else(|| after(line, b"WORKER ")),
        pid: after(line, b"pid: ")
            .or_else(|| after(line, b"uWSGI process "))
            .or_else(|| after(line, b"The work of process ")),
    }
}

/// Of a failed call while uWSGI writes its statistics: the launcher has stopped to read them, because it stops.
const STATISTICS: &[u8] = b" [core/stats.c line ";

fn level(line: &[u8]) -> Level {
    if memmem::find(line, STATISTICS).is_some() {
        return Level::Debug;
    }
    let known = FINDERS.iter().find(|(_, part)| part.find(line).is_some());
    if let Some(&(level, _)) = known {
        return level;
    }
    let text = undated(line);
    if REFUSALS
        .iter()
        .any(|refusal| text.starts_with(refusal.as_bytes()))
    {
        return Level::Error;
    }
    if !is_failed_call(line) {
        if is_routine(text) {
            Level::Debug
        } else {
            Level::Info
        }
    } else if line.ends_with(b"]") {
        Level::Error
    } else {
        // `.. during GET /`: the connection failed, not the server.
        Level::Warn
    }
}

/// Whether a line without its date is one that each start or stop has.
fn is_routine(text: &[u8]) -> bool {
    ROUTINE
        .iter()
        .any(|beginning| text.starts_with(beginning.as_bytes()))
        || ENDED_AS_ASKED
            .iter()
            .any(|part| memmem::find(text, part).is_some())
}

/// The number that follows `word`.
fn after(line: &[u8], word: &[u8]) -> Option<u32> {
    let rest = &line[memmem::find(line, word)? + word.len()..];
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    number(&rest[..end])
}

/// The words before the URI of a request (core/uwsgi.c, `uwsgi_req_error` in uwsgi.h).
const BEFORE_URI: [&[u8]; 2] = [b" WAS managing request ", b"] during "];

/// The line without the query of the request that it names: queries contain tokens and names, so the whole log omits them.
pub fn without_query(line: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'?', line).is_none() {
        return Cow::Borrowed(line);
    }
    let named = BEFORE_URI
        .iter()
        .find_map(|words| memchr::memmem::find(line, words).map(|at| at + words.len()));
    let query = named.and_then(|at| memchr::memchr(b'?', &line[at..]).map(|query| at + query));
    let Some(query) = query else {
        return Cow::Borrowed(line);
    };
    let end = memchr::memchr(b' ', &line[query..]).map_or(line.len(), |space| query + space);
    Cow::Owned([&line[..query], &line[end..]].concat())
}

#[cfg(test)]
#[path = "uwsgi_tests.rs"]
mod tests;
