//! The running log, with every kind of stdout.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::running::{
    DEADLINE, OPTIONS, check_accounts, finish_reading, finish_reading_with, lines_of, pipe,
    records, start_with_defaults, wait_for, writer,
};
use crate::logs::{Format, Level, Logs, Source, start};

#[test]
fn every_source_arrives_with_its_name() {
    let (out, end) = pipe();
    let logs = start_with_defaults(end);
    for source in Source::PIPED {
        writeln!(writer(&logs, source), "of {}", source.as_str()).unwrap();
    }
    logs.emitter().write(
        Level::Warn,
        "of launcher",
        &[("ts", 1.into()), ("n", 2.into()), ("n", 3.into())],
    );
    let (records, summary) = finish_reading(logs, out);
    assert!(summary.complete);
    assert_eq!(records.len(), 6);
    for source in Source::ALL {
        let record = records
            .iter()
            .find(|record| record["source"] == source.as_str())
            .unwrap();
        assert_eq!(record["message"], format!("of {}", source.as_str()));
    }
    let own = records
        .iter()
        .find(|record| record["source"] == "launcher")
        .unwrap();
    assert_eq!(
        (&own["ts_"], &own["n"], &own["level"]),
        (&1.into(), &3.into(), &"warn".into())
    );
}

#[test]
fn what_is_left_at_the_end_is_written() {
    let (out, end) = pipe();
    let logs = start_with_defaults(end);
    let trace = "Traceback (most recent call last):\n  File \"a\"\nE: x";
    writer(&logs, Source::AppStderr)
        .write_all(format!("{trace}\nno end").as_bytes())
        .unwrap();
    let (records, summary) = finish_reading(logs, out);
    assert!(summary.complete);
    assert_eq!(records[0]["message"], trace);
    assert_eq!(records[1]["message"], "no end");
}

#[test]
fn the_final_record_comes_after_everything_else() {
    let (out, end) = pipe();
    let logs = start_with_defaults(end);
    let mut app = writer(&logs, Source::AppStderr);
    // The first line is read at once; the reader pauses before it polls for the others.
    for number in 0..100 {
        writeln!(app, "line {number}").unwrap();
    }
    app.write_all(b"Traceback (most recent call last):\n  File \"a\"\nE: x")
        .unwrap();
    let (records, summary) = finish_reading_with(logs, out, "the last word");
    assert!(summary.complete);
    assert_eq!(records.len(), 102);
    assert_eq!(records[101]["message"], "the last word");
}

#[test]
fn a_line_without_end_appears_after_a_while() {
    let (mut out, end) = pipe();
    let logs = start_with_defaults(end);
    writer(&logs, Source::AppStdout)
        .write_all(b"no end")
        .unwrap();
    let mut bytes = [0; 4096];
    let count = out.read(&mut bytes).unwrap();
    assert_eq!(records(&bytes[..count])[0]["message"], "no end");
    finish_reading(logs, out);
}

#[test]
fn a_stdout_that_is_closed_is_counted() {
    let (out, end) = pipe();
    drop(out);
    let logs = start_with_defaults(end);
    let mut app = writer(&logs, Source::AppStdout);
    for _ in 0..1000 {
        writeln!(app, "for nobody").unwrap();
    }
    wait_for("the account", || {
        logs.accounts()
            .counters()
            .of(Source::AppStdout)
            .dropped
            .lines
            == 1000
    });
    let summary = logs.finish(DEADLINE);
    check_accounts(&summary.counters);
    assert_eq!(summary.counters.sum(|tally| tally.delivered).lines, 0);
}

#[test]
fn a_full_disk_ends_in_time_and_is_counted() {
    let end = File::options().write(true).open("/dev/full").unwrap();
    let logs = start_with_defaults(end.into());
    writeln!(writer(&logs, Source::AppStdout), "no room").unwrap();
    let summary = logs.finish(Duration::from_millis(300));
    check_accounts(&summary.counters);
    assert_eq!(summary.counters.of(Source::AppStdout).dropped.lines, 1);
}

#[test]
fn files_and_sockets_take_everything() {
    const LINES: u64 = 50_000;
    let fill = |logs: &Logs| {
        let mut app = writer(logs, Source::AppStdout);
        for number in 0..LINES {
            writeln!(app, "line {number}").unwrap();
        }
    };
    let disk = tempfile::NamedTempFile::new().unwrap();
    let logs = start_with_defaults(disk.reopen().unwrap().into());
    fill(&logs);
    assert!(logs.finish(DEADLINE).complete);
    let written = std::fs::read(disk.path()).unwrap();
    assert_eq!(lines_of(&records(&written), Source::AppStdout), LINES);

    let (out, end) = UnixStream::pair().unwrap();
    let logs = start_with_defaults(end.into());
    let mut bytes = Vec::new();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut out = &out;
            out.read_to_end(&mut bytes)
        });
        fill(&logs);
        assert!(logs.finish(DEADLINE).complete);
        reading.join().unwrap().unwrap();
    });
    assert_eq!(lines_of(&records(&bytes), Source::AppStdout), LINES);
}

#[test]
fn a_grandchild_that_holds_a_pipe_does_not_hold_the_end() {
    let (out, end) = pipe();
    let logs = start_with_defaults(end);
    let theirs = logs.pipe(Source::AppStdout).try_clone_to_owned().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "echo hello; exec sleep 60"])
        .stdout(Stdio::from(theirs))
        .spawn()
        .unwrap();
    wait_for("the line", || {
        logs.accounts()
            .counters()
            .of(Source::AppStdout)
            .produced
            .lines
            == 1
    });
    let before = Instant::now();
    let (records, summary) = finish_reading(logs, out);
    assert!(before.elapsed() < Duration::from_secs(5));
    assert!(summary.complete);
    assert_eq!(records[0]["message"], "hello");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_last_errors_can_be_asked_for() {
    let (out, end) = pipe();
    let logs = start_with_defaults(end);
    for number in 0..30 {
        logs.emitter().write(
            Level::Error,
            &format!("error {number} {}", "é".repeat(600)),
            &[],
        );
    }
    let errors = logs.accounts().recent_errors();
    assert_eq!(errors.len(), 20);
    assert!(errors[0].message.starts_with("error 10 "));
    assert!(
        errors
            .iter()
            .all(|error| error.message.chars().count() == 500)
    );
    finish_reading(logs, out);
}

#[test]
fn errors_can_be_asked_for_from_a_moment_on() {
    let (out, end) = pipe();
    let logs = start_with_defaults(end);
    let emitter = logs.emitter();
    emitter.write(Level::Error, "before", &[]);
    let cursor = logs.error_cursor();
    assert_eq!(logs.errors_since(cursor), []);
    emitter.write(Level::Warn, "no error", &[]);
    emitter.write(Level::Error, "after", &[]);
    writeln!(writer(&logs, Source::AppStderr), "ERROR:root:of a child").unwrap();
    wait_for("the child's error", || logs.errors_since(cursor).len() == 2);
    let seen: Vec<_> = logs
        .errors_since(cursor)
        .into_iter()
        .map(|error| (error.source, error.message))
        .collect();
    assert_eq!(
        seen,
        [
            (Source::Launcher, "after".to_owned()),
            (Source::AppStderr, "ERROR:root:of a child".to_owned()),
        ]
    );
    assert_eq!(logs.accounts().recent_errors().len(), 3);
    finish_reading(logs, out);
}

#[test]
fn flags_of_stdout_stay_as_they_are() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let (out, end) = pipe();
    let copy = end.try_clone().unwrap();
    let logs = start_with_defaults(end);
    logs.emitter().write(Level::Info, "x", &[]);
    for fd in [copy.as_fd(), logs.pipe(Source::AppStdout)] {
        let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK));
    }
    drop(copy);
    finish_reading(logs, out);
}

#[test]
fn a_stdout_that_others_made_non_blocking_takes_everything() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    const LINES: u64 = 50_000;
    let (out, end) = pipe();
    fcntl(&end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let logs = start_with_defaults(end);
    let mut app = writer(&logs, Source::AppStdout);
    for number in 0..LINES {
        writeln!(app, "line {number}").unwrap();
    }
    let (records, summary) = finish_reading(logs, out);
    assert!(summary.complete);
    assert_eq!(lines_of(&records, Source::AppStdout), LINES);
}

#[test]
fn a_terminal_shows_only_our_colours() {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let format = Format::Text { colour: true };
    let logs = start(format, Level::Debug, OPTIONS, terminal.slave).unwrap();
    writeln!(writer(&logs, Source::AppStderr), "ERROR:root:\x1b[2Jx").unwrap();
    assert!(logs.finish(DEADLINE).complete);
    let mut bytes = [0; 4096];
    let count = File::from(terminal.master).read(&mut bytes).unwrap();
    let text = std::str::from_utf8(&bytes[..count]).unwrap();
    let (date, rest) = text.split_once("\r\n").unwrap();
    assert!(
        date.starts_with("\x1b[2m20") && date.ends_with(" (UTC)\x1b[0m"),
        "{date:?}"
    );
    let (time, rest) = rest.split_at("\x1b[2m22:13:20.123".len());
    assert!(time.starts_with("\x1b[2m"), "{time:?}");
    assert_eq!(
        rest,
        "\x1b[0m \x1b[32mapp err \x1b[0m \x1b[1;31mERROR \x1b[0mroot:\\x1b[2Jx\r\n"
    );
}
