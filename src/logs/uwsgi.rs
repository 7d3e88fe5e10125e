//! uWSGI's own messages: how grave they are, which worker they are about. Pure.
//!
//! uWSGI has no levels. What is known is taken from its source: what asks for a hand, what is a
//! death, what ends a start, and `uwsgi_error()`, which ends a system call's failure with
//! `[core/socket.c line 198]`.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::{
    origin::number,
    record::Level,
    worker::{is_failed_call, undated},
};

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// How grave it is.
    pub level: Level,
    /// The number of the worker that it names.
    pub worker: Option<u32>,
    /// The process that it names.
    pub pid: Option<u32>,
}

/// Parts of lines by level, the gravest first; the first that a line holds decides.
const KNOWN: [(Level, &[&str]); 2] = [
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

/// How a line begins with which uWSGI refuses its configuration or its surroundings; it ends after most of them.
const REFUSALS: [&str; 5] = [
    "unable to ",
    "invalid ",
    "could not ",
    "cannot ",
    "you cannot ",
];

/// The parts of [`KNOWN`], made ready to search; making that takes longer than the search itself.
static FINDERS: LazyLock<Vec<(Level, Finder<'static>)>> = LazyLock::new(|| {
    let ready = |(level, parts): (Level, &'static [&str])| {
        parts.iter().map(move |part| (level, Finder::new(*part)))
    };
    KNOWN.into_iter().flat_map(ready).collect()
});

/// Reads a line.
pub fn about(line: &[u8]) -> About {
    About {
        level: level(line),
        worker: after(line, b"worker ").or_else(|| after(line, b"WORKER ")),
        pid: after(line, b"pid: ")
            .or_else(|| after(line, b"uWSGI process "))
            .or_else(|| after(line, b"The work of process ")),
    }
}

fn level(line: &[u8]) -> Level {
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
        Level::Info
    } else if line.ends_with(b"]") {
        Level::Error
    } else {
        // `.. during GET /`: a connection that failed, not the server.
        Level::Warn
    }
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

#[cfg(test)]
mod tests {
    use super::{About, about};
    use crate::logs::record::Level::{self, Error, Info, Warn};

    #[track_caller]
    fn check(line: &str, level: Level, worker: Option<u32>, pid: Option<u32>) {
        assert_eq!(
            about(line.as_bytes()),
            About { level, worker, pid },
            "{line}"
        );
    }

    #[test]
    fn what_uwsgi_writes() {
        check(
            "*** Starting uWSGI 2.0.31 (64bit) on [Tue Nov 24 16:52:30 2026] ***",
            Info,
            None,
            None,
        );
        check(
            "spawned uWSGI worker 1 (pid: 123, cores: 1)",
            Info,
            Some(1),
            Some(123),
        );
        check(
            "Respawned uWSGI worker 12 (new pid: 1234)",
            Info,
            Some(12),
            Some(1234),
        );
        check(
            "DAMN ! worker 2 (pid: 9) died, killed by signal 9 :( trying respawn ...",
            Error,
            Some(2),
            Some(9),
        );
        check(
            "*** HARAKIRI ON WORKER 1 (pid: 5, try: 1) ***",
            Error,
            Some(1),
            Some(5),
        );
        check(
            "!!! uWSGI process 5 got Segmentation Fault !!!",
            Error,
            None,
            Some(5),
        );
        check(
            "...The work of process 5 is done. Seeya!",
            Info,
            None,
            Some(5),
        );
        check(
            "Gracefully killing worker 2 (pid: 5)...",
            Info,
            Some(2),
            Some(5),
        );
        check(
            "-- unavailable modifier requested: 100 --",
            Warn,
            None,
            None,
        );
        check("uwsgi_simple_write() TIMEOUT !!!", Warn, None, None);
        check(
            "*** WARNING: you are running uWSGI as root !!! (use the --uid flag) ***",
            Warn,
            None,
            None,
        );
        check(
            "*** uWSGI listen queue of socket \"a\" (fd: 3) full !!! (101/100) ***",
            Warn,
            None,
            None,
        );
        check(
            "unable to load app 0 (mountpoint='') (callable not found or import error)",
            Error,
            None,
            None,
        );
    }

    #[test]
    fn calls_that_failed() {
        check(
            "uwsgi_response_write_body_do(): Broken pipe [core/writer.c line 341] during GET /",
            Warn,
            None,
            None,
        );
        check(
            "x_do(): Connection timed out [core/writer.c line 341] during GET / (10.0.0.1)",
            Warn,
            None,
            None,
        );
        check(
            "bind(): Address already in use [core/socket.c line 769]",
            Error,
            None,
            None,
        );
        check(
            "open(\"/a\"): No such file or directory [core/io.c line 123]",
            Error,
            None,
            None,
        );
        check(
            "worker 1 killed successfully (pid: 5)",
            Info,
            Some(1),
            Some(5),
        );
        check("", Info, None, None);
        check("worker x (pid: 99999999999)", Info, None, None);
    }

    #[test]
    fn what_ends_a_start() {
        for line in [
            "[strict-mode] unknown config directive: no-such-option",
            "unable to load configuration from /nowhere.ini",
            "unable to parse config file x",
            "unable to load plugin \"python3\"",
            "!!! UNABLE to load uWSGI plugin: ./python3_plugin.so: cannot open shared object file !!!",
            "--- no python application found, check your startup logs for errors ---",
            "*** no app loaded. going in full dynamic mode ***",
            "probably another instance of uWSGI is running on the same address (:1).",
            "bind(): Permission denied [core/socket.c line 230]",
            "realpath() of /nowhere.ini failed: No such file or directory [core/utils.c line 3662]",
            "uwsgi: unrecognized option '--no-such'",
            "setuid(): Operation not permitted [core/utils.c line 909]",
            "cannot setuid() as non-root user",
            "invalid value for option \"listen\": must be > 0",
            "could not initialize the uwsgi python module",
            "uWSGI error: forbidden option \"x\" (by blacklist)",
            "Listen queue size is greater than the system max net.core.somaxconn (128).",
            "The -s/--socket option is missing and stdin is not a socket.",
            "Wed Nov 25 03:40:37 2026 - need-app requested, destroying the instance...",
            "!!! Python Home is not a directory: /venv !!!",
        ] {
            check(line, Error, None, None);
        }
        check(
            "OOPS ! failed loading app in worker 1 (pid 7)",
            Error,
            Some(1),
            None,
        );
        for line in [
            "*** uWSGI is running in multiple interpreter mode ***",
            "your memory page size is 4096 bytes",
            "detected max file descriptor number: 1024",
            "chdir() to /srv/src",
            "added /run/x to pythonpath.",
        ] {
            check(line, Info, None, None);
        }
    }
}
