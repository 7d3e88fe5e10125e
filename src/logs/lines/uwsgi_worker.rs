//! Which lines on the application's stderr come from uWSGI itself. Pure.
//!
//! In a worker, descriptor 2 is the application's stderr, and uWSGI writes there as well: when the
//! worker ends, when it crashed, when a client disconnected. Lines of Python code have a head (see
//! [`super::origin`]); a line without a head in one of these forms is uWSGI's. The forms are from the
//! source of uWSGI 2.0.31, listed by its files. A program that the application starts can still
//! imitate them; the only effect is that its line is shown under uWSGI's name.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The beginnings of uWSGI's lines in a worker.
const BEGINNINGS: [&str; 30] = [
    // core/uwsgi.c
    "Gracefully killing worker ",
    "...The work of process ",
    "!!! uWSGI process ",
    "*** backtrace of ",
    "HARAKIRI: --- uWSGI worker ",
    "SIGUSR2: --- uWSGI worker ",
    "SIGPIPE: writing to a closed pipe/socket/fd ",
    "-- unavailable modifier requested: ",
    "unavailable loop engine !!!",
    "mem-collector thread started for worker ",
    // core/lock.c
    "[deadlock-detector] ",
    // core/utils.c
    "!!! tried memory allocation of ",
    "unable to load app ",
    "FATAL ERROR: you cannot load more than ",
    "*** worker ",
    // core/hooks.c
    "FATAL hook failed",
    // core/signal.c
    "[uwsgi-signal] ",
    "uWSGI worker ",
    // core/reader.c
    "[uwsgi-body-read] ",
    "[uwsgi-warning] you are using ",
    // core/protocol.c, proto/uwsgi.c
    "invalid request block size: ",
    "invalid uwsgi request (current strsize: ",
    "invalid uwsgi array. skip this ",
    "uwsgi key cannot be null. skip this ",
    "max vec size reached",
    "Invalid (too big) CONTENT_LENGTH. skip.",
    "not enough buffer space to ",
    // plugins/python
    "--- no python application found, check your startup logs for errors ---",
    "WSGI app ",
    "mapped virtual pymodule ",
];

/// `uwsgi_error()` ends its messages with a source file and this, followed by a line number.
static SOURCE_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(".c line "));
/// The beginnings of the source files before it.
const FOLDERS: [&[u8]; 3] = [b"[core/", b"[proto/", b"[plugins/"];

/// Whether a line without a head comes from uWSGI.
pub fn is_own(line: &[u8]) -> bool {
    let line = undated(line);
    BEGINNINGS
        .iter()
        .any(|beginning| line.starts_with(beginning.as_bytes()))
        || is_failed_call(line)
        || (line.starts_with(b"uwsgi_") && line.ends_with(b"() TIMEOUT !!!"))
}

/// The line without the date that `uwsgi_log_verbose()` writes before it: `Wed Nov 25 03:40:37 2026 - `.
pub fn undated(line: &[u8]) -> &[u8] {
    match line.split_at_checked(27) {
        Some((date, text))
            if date.ends_with(b" - ")
                && date[13] == b':'
                && date[16] == b':'
                && date[3] == b' ' =>
        {
            text
        }
        _ => line,
    }
}

/// Whether `uwsgi_error()` or one of its variants wrote the line:
/// `uwsgi_response_write_body_do(): Broken pipe [core/writer.c line 341] during GET /`.
pub fn is_failed_call(line: &[u8]) -> bool {
    if !line.ends_with(b"]") && !line.ends_with(b")") && !line.ends_with(b"] ") {
        return false;
    }
    let Some(at) = SOURCE_LINE.find(line) else {
        return false;
    };
    let Some(file) = memchr::memrchr(b'[', &line[..at]) else {
        return false;
    };
    let after = &line[at + SOURCE_LINE.needle().len()..];
    let digits = after
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    FOLDERS
        .iter()
        .any(|folder| line[file..].starts_with(folder))
        && digits > 0
        && after.get(digits) == Some(&b']')
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[track_caller]
    fn check(lines: &[&str], expected: bool) {
        for line in lines {
            assert_eq!(is_own(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn what_a_worker_writes() {
        check(
            &[
                "Gracefully killing worker 2 (pid: 26039)...",
                "...The work of process 26039 is done. Seeya!",
                "!!! uWSGI process 24981 got Segmentation Fault !!!",
                "*** backtrace of 24981 ***",
                "HARAKIRI: --- uWSGI worker 1 core 3 (pid: 7) WAS managing request / since Wed Nov 25 03:40:37 2026 ---",
                "-- unavailable modifier requested: 100 --",
                "Wed Nov 25 03:40:37 2026 - SIGPIPE: writing to a closed pipe/socket/fd (probably the client disconnected) on request / (ip 10.0.0.1) !!!",
                "Wed Nov 25 03:40:37 2026 - uwsgi_response_write_body_do(): Broken pipe [core/writer.c line 341] during GET /x (10.0.0.1)",
                "Wed Nov 25 03:40:37 2026 - uwsgi_response_write_body_do() Broken pipe [core/writer.c line 341] ",
                "uwsgi_response_write_body_do() TIMEOUT !!!",
                "[deadlock-detector] a process holding a robust mutex died. recovering...",
                "epoll_wait(): Bad file descriptor [core/event.c line 547]",
                "open(\"/a\"): No such file or directory [plugins/python/pyloader.c line 1]",
                "[uwsgi-body-read] Timeout reading 5 bytes. Content-Length: 9 consumed: 0 left: 9",
                "--- no python application found, check your startup logs for errors ---",
            ],
            true,
        );
    }

    #[test]
    fn what_others_write() {
        check(
            &[
                "",
                "Gracefully stopping",
                " Gracefully killing worker 2 (pid: 26039)...",
                "2026 - Gracefully killing worker 2 (pid: 26039)...",
                "/lib/x.so(f+0x12) [0x7f0012ab]",
                "*** end of backtrace ***",
                "x [main.c line 7]",
                "[core/writer.c line ]",
                "x [core/writer.c line 7",
                "see [core/x.c line 7] there",
                "worker 1 is late",
                "uwsgi_decorators TIMEOUT",
            ],
            false,
        );
    }
}
