//! A running log and the two ends of its pipes.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::logs::queue::counters::Counters;
use crate::logs::queue::counters::Summary;
use crate::logs::{AccessFilter, Format, Level, LogOptions, Logs, OnFull, Source, start};

/// Longer than anything that works takes.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(super) const OPTIONS: LogOptions = LogOptions {
    on_full: OnFull::Drop,
    buffer: 8 << 20,
    access: AccessFilter::All,
};

/// A log in JSON with [`OPTIONS`].
pub(super) fn start_with_defaults(out: OwnedFd) -> Logs {
    start(Format::Json, Level::Debug, OPTIONS, out).unwrap()
}

pub(super) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// The end of a pipe that a child has.
pub(super) fn writer(logs: &Logs, source: Source) -> File {
    File::from(logs.pipe(source).try_clone_to_owned().unwrap())
}

pub(super) fn pipe() -> (File, OwnedFd) {
    let (read, write) = std::io::pipe().unwrap();
    (File::from(OwnedFd::from(read)), write.into())
}

pub(super) fn records(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "a torn last line");
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

#[track_caller]
pub(super) fn check_accounts(counters: &Counters) {
    for (source, tally) in Source::ALL.iter().zip(counters.sources) {
        let sum = tally.delivered + tally.dropped + tally.buffered;
        assert_eq!(tally.produced, sum, "{source:?}");
    }
}

pub(super) fn lines_of(records: &[Value], source: Source) -> u64 {
    records
        .iter()
        .filter(|record| record["source"] == source.as_str())
        .count() as u64
}

/// Ends the log, and reads meanwhile so that it can end.
pub(super) fn finish_reading(logs: Logs, out: impl Read + Send) -> (Vec<Value>, Summary) {
    read_to_end(out, || logs.finish(DEADLINE))
}

/// The same with a final record of the launcher.
pub(super) fn finish_reading_with(
    logs: Logs,
    out: impl Read + Send,
    last: &str,
) -> (Vec<Value>, Summary) {
    read_to_end(out, || {
        logs.finish_with(DEADLINE, crate::logs::Level::Info, last)
    })
}

fn read_to_end(
    mut out: impl Read + Send,
    finish: impl FnOnce() -> Summary,
) -> (Vec<Value>, Summary) {
    let mut bytes = Vec::new();
    let summary = std::thread::scope(|scope| {
        let reading = scope.spawn(|| out.read_to_end(&mut bytes));
        let summary = finish();
        reading.join().unwrap().unwrap();
        summary
    });
    check_accounts(&summary.counters);
    (records(&bytes), summary)
}
