//! A stdout that is not read, or no longer.

use std::{
    fs::File,
    io::{Read, Write},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::running::{
    DEADLINE, OPTIONS, check_accounts, finish_reading, lines_of, pipe, records,
    start_with_defaults, wait_for, writer,
};
use crate::logs::queue::counters::Counters;
use crate::logs::{Format, Level, LogOptions, Logs, OnFull, Source, start};

#[test]
fn a_stdout_that_is_not_read_blocks_no_writer() {
    const LINES: u64 = 30_000;
    let (out, end) = pipe();
    let options = LogOptions {
        buffer: 256 << 10,
        ..OPTIONS
    };
    let logs = start(Format::Json, Level::Debug, options, end).unwrap();
    let mut app = writer(&logs, Source::AppStdout);
    let mut nginx = writer(&logs, Source::NginxError);
    for number in 0..LINES {
        writeln!(app, "line {number}").unwrap();
        writeln!(nginx, "line {number}").unwrap();
    }
    let produced = |logs: &Logs| {
        let counters = logs.accounts().counters();
        counters.of(Source::AppStdout).produced.lines
            + counters.of(Source::NginxError).produced.lines
    };
    wait_for("everything to be read", || produced(&logs) == 2 * LINES);
    wait_for("the stall to show", || {
        logs.accounts().counters().stalled.is_some()
    });
    check_accounts(&logs.accounts().counters());
    assert!(logs.accounts().counters().dropped().lines > LINES);

    let (records, summary) = finish_reading(logs, out);
    let mut reported = 0;
    for source in [Source::AppStdout, Source::NginxError] {
        let tally = summary.counters.of(source);
        assert_eq!(tally.produced.lines, LINES);
        assert_eq!(tally.delivered.lines, lines_of(&records, source));
        reported += tally.dropped.lines;
        let of_source = |record: &&Value| record["source"] == source.as_str();
        let number =
            |record: &Value| -> u64 { record["message"].as_str().unwrap()[5..].parse().unwrap() };
        // In order, and all that is missing is counted.
        let numbers = records.iter().filter(of_source).map(number);
        let (mut expected, mut missing) = (0, 0);
        for number in numbers.chain([LINES]) {
            missing += number.checked_sub(expected).expect("order");
            expected = number + 1;
        }
        assert_eq!(missing, tally.dropped.lines);
    }
    // And reported: one notice for each time that the writer found something missing.
    let is_notice = |record: &&Value| record["event"] == "log_dropped";
    let sum = |field: &str| -> u64 {
        records
            .iter()
            .filter(is_notice)
            .filter_map(|notice| notice[field].as_u64())
            .sum()
    };
    assert_eq!(sum("lines"), reported);
    let of_app = summary.counters.of(Source::AppStdout).dropped.lines;
    assert_eq!(sum("app.stdout"), of_app);
    let last = records.last().unwrap();
    assert_eq!(
        (&last["event"], &last["lines"]),
        (&"log_incomplete".into(), &reported.into())
    );
    assert!(!summary.complete);
}

#[test]
fn block_drops_nothing_and_the_launcher_never_waits() {
    const LINES: u64 = 60_000;
    let (out, end) = pipe();
    let options = LogOptions {
        on_full: OnFull::Block,
        buffer: 64 << 10,
        ..OPTIONS
    };
    let logs = start(Format::Json, Level::Debug, options, end).unwrap();
    let mut app = writer(&logs, Source::AppStdout);
    let writing = std::thread::spawn(move || {
        for number in 0..LINES {
            writeln!(app, "{number} {}", "x".repeat(100)).unwrap();
        }
    });
    wait_for("the stall", || logs.accounts().counters().stalled.is_some());
    assert!(!writing.is_finished());
    let before = Instant::now();
    logs.emitter().write(Level::Info, "still here", &[]);
    assert!(before.elapsed() < Duration::from_secs(1));
    let mut out = out;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    while !writing.is_finished() {
        let count = out.read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..count]);
    }
    let summary = std::thread::scope(|scope| {
        let reading = scope.spawn(|| out.read_to_end(&mut bytes));
        let summary = logs.finish(DEADLINE);
        reading.join().unwrap().unwrap();
        summary
    });
    check_accounts(&summary.counters);
    let records = records(&bytes);
    assert_eq!(lines_of(&records, Source::AppStdout), LINES);
    assert_eq!(lines_of(&records, Source::Launcher), 1);
    assert_eq!(summary.counters.dropped().lines, 0);
}

#[test]
fn blocked_children_are_released_at_the_end() {
    let (out, end) = pipe();
    let options = LogOptions {
        on_full: OnFull::Block,
        buffer: 64 << 10,
        ..OPTIONS
    };
    let logs = start(Format::Json, Level::Debug, options, end).unwrap();
    let mut app = writer(&logs, Source::AppStdout);
    let writing = std::thread::spawn(move || {
        let line = [&[b'x'; 99][..], b"\n"].concat();
        for _ in 0..60_000 {
            app.write_all(&line).unwrap();
        }
    });
    wait_for("the stall", || logs.accounts().counters().stalled.is_some());
    let summary = logs.finish(Duration::from_secs(2));
    check_accounts(&summary.counters);
    writing.join().unwrap();
    assert!(!summary.complete);
    assert_eq!(summary.counters.buffered().lines, 0);
    // What counts as delivered can be read, to the last byte.
    assert_delivered(out, &summary.counters);
}

#[test]
fn blocked_children_that_are_being_stopped_wait_no_more_and_lose_nothing() {
    const LINES: u64 = 60_000;
    let (out, end) = pipe();
    let options = LogOptions {
        on_full: OnFull::Block,
        buffer: 64 << 10,
        ..OPTIONS
    };
    let logs = start(Format::Json, Level::Debug, options, end).unwrap();
    let mut app = writer(&logs, Source::AppStdout);
    let writing = std::thread::spawn(move || {
        for number in 0..LINES {
            writeln!(app, "{number} {}", "x".repeat(100)).unwrap();
        }
    });
    wait_for("the stall", || logs.accounts().counters().stalled.is_some());
    assert!(!writing.is_finished());
    logs.children_stopping();
    // Nothing has been read yet.
    wait_for("the child to end", || writing.is_finished());
    let (records, summary) = finish_reading(logs, out);
    assert_eq!(lines_of(&records, Source::AppStdout), LINES);
    assert!(summary.complete);
}

/// A late reader finds exactly what was counted, and perhaps one torn line more.
fn assert_delivered(mut out: File, counters: &Counters) {
    let mut bytes = Vec::new();
    out.read_to_end(&mut bytes).unwrap();
    let whole = memchr::memchr_iter(b'\n', &bytes).count() as u64;
    assert_eq!(whole, counters.sum(|tally| tally.delivered).lines);
}

#[test]
fn a_stdout_that_is_never_read_does_not_hold_the_end() {
    let (out, end) = pipe();
    let logs = start_with_defaults(end);
    let mut app = writer(&logs, Source::AppStdout);
    for number in 0..20_000 {
        writeln!(app, "line {number}").unwrap();
    }
    let before = Instant::now();
    let summary = logs.finish(Duration::from_millis(300));
    assert!(before.elapsed() < Duration::from_secs(3));
    check_accounts(&summary.counters);
    assert_eq!(
        summary.counters.of(Source::AppStdout).produced.lines,
        20_000
    );
    assert_eq!(summary.counters.buffered().lines, 0);
    assert_delivered(out, &summary.counters);
}
