//! A profile: all slices of it together, and what a person wants to know of it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::answer::{ProfileSlice, StackFrame, UnreadWorker};
use crate::status::words::{count, fit};

/// Rows of each table of the summary.
const ROWS: usize = 12;
/// Columns of a name: the summary fits a terminal of 80.
const NAME: usize = 80 - "share    CPU  ".len();
/// Where Flask has called a view.
const DISPATCH: &str = "dispatch_request";
/// Names that a wrapper around a view has when it does not take over the name of the view.
const WRAPPERS: &[&str] = &[
    "wrapper",
    "wrapped",
    "_wrapper",
    "inner",
    "decorated",
    "decorated_function",
    "decorated_view",
    "decorator",
    "new_func",
];
/// In place of a view.
const NO_VIEW: &str = "outside of views";

/// The sum of all slices.
#[derive(Debug, Default)]
pub(crate) struct StackProfile {
    /// The name of the service.
    pub(crate) name: String,
    seconds: f64,
    samples: u64,
    workers: BTreeSet<u32>,
    unread: Vec<UnreadWorker>,
    left_out_micros: u64,
    stacks: BTreeMap<Vec<StackFrame>, StackTime>,
}

/// Time of requests, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct StackTime {
    all: u64,
    on_cpu: u64,
}

impl StackTime {
    fn add(&mut self, more: Self) {
        self.all += more.all;
        self.on_cpu += more.on_cpu;
    }
}

impl StackProfile {
    /// Adds a slice. What it says is untrusted: a place that its list of frames does not have is left out.
    pub(crate) fn add(&mut self, slice: ProfileSlice) {
        self.seconds += slice.seconds.max(0.0);
        self.samples = self.samples.saturating_add(slice.samples);
        self.workers.extend(slice.workers);
        self.left_out_micros = self.left_out_micros.saturating_add(slice.left_out_micros);
        for stack in slice.stacks {
            let place = |number: &u32| slice.frames.get(usize::try_from(*number).ok()?).cloned();
            let frames: Vec<StackFrame> = stack.frames.iter().filter_map(place).collect();
            if frames.is_empty() {
                continue;
            }
            // A machine cannot be that busy, and the sums below must not overflow.
            let all = stack.micros.min(u64::from(u32::MAX));
            let on_cpu = stack.on_cpu_micros.min(all);
            self.stacks
                .entry(frames)
                .or_default()
                .add(StackTime { all, on_cpu });
        }
        for unread in slice.unread {
            if !self.unread.contains(&unread) {
                self.unread.push(unread);
            }
        }
    }

    /// Whether no request was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.stacks.is_empty()
    }

    /// How long it has taken, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The stacks as lines for a flame graph, the outermost call first, with milliseconds: `view (main.py);query (db.py) 120`.
    /// Lines of the same function are one. Without any request, one line says so: a picture of nothing is no failure.
    pub(crate) fn folded(&self) -> Vec<String> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (frames, time) in &self.stacks {
            let names: Vec<String> = frames.iter().rev().map(folded_name).collect();
            *sums.entry(names.join(";")).or_default() += time.all;
        }
        let lines = sums.into_iter();
        let lines = lines.map(|(names, micros)| (names, micros.div_ceil(1000)));
        let mut lines: Vec<String> = lines
            .filter(|(_, millis)| *millis > 0)
            .map(|(names, millis)| format!("{names} {millis}"))
            .collect();
        if lines.is_empty() {
            lines.push("(no request was seen) 1".to_owned());
        }
        lines
    }

    /// The summary.
    pub(crate) fn summary(&self) -> String {
        let mut out = self.head();
        if self.is_empty() {
            return out;
        }
        let mut views: BTreeMap<String, StackTime> = BTreeMap::new();
        let mut innermost: BTreeMap<String, StackTime> = BTreeMap::new();
        let mut own: BTreeMap<String, StackTime> = BTreeMap::new();
        for (frames, time) in &self.stacks {
            views.entry(view_of(frames)).or_default().add(*time);
            let first = frames.first().map(place).unwrap_or_default();
            innermost.entry(first).or_default().add(*time);
            let line = frames.iter().find(|frame| is_of_application(frame));
            let line = line.map_or_else(|| "none: libraries alone".to_owned(), place);
            own.entry(line).or_default().add(*time);
        }
        table(&mut out, "which route: the view that was called", &views);
        table(&mut out, "which line of the application", &own);
        table(
            &mut out,
            "what it does there: the innermost call",
            &innermost,
        );
        out.push_str("\nshare: of the time of all requests; CPU: the part of it that computes, the rest waits\n");
        out
    }

    fn head(&self) -> String {
        let all: u64 = self.stacks.values().map(|time| time.all).sum();
        let mut out = format!(
            "{}: {:.0} s of {}, ",
            self.name,
            self.seconds,
            count(self.workers.len() as u64, "worker")
        );
        if self.is_empty() {
            out.push_str("no request was seen in them: call it while the service has some\n");
        } else {
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "{:.1} s of requests, {} ({:.1} requests at a time)",
                seconds(all),
                count(self.samples, "sample"),
                seconds(all) / self.seconds.max(0.001)
            );
        }
        if self.left_out_micros > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "{:.1} s more are left out: too many different stacks",
                seconds(self.left_out_micros)
            );
        }
        for unread in &self.unread {
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "worker {} (pid {}) could not be looked into: {}",
                unread.id, unread.pid, unread.why
            );
        }
        out
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn table(out: &mut String, title: &str, rows: &BTreeMap<String, StackTime>) {
    let all: u64 = rows.values().map(|time| time.all).sum();
    let mut sorted: Vec<(&String, &StackTime)> = rows.iter().collect();
    sorted.sort_by_key(|(_, time)| std::cmp::Reverse(time.all));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\nshare    CPU  {title}");
    // What is shown as 0 % says nothing.
    let shown = sorted.iter().take(ROWS);
    let shown = shown.take_while(|(_, time)| percent(time.all, all) >= 0.5);
    let shown = shown.count();
    for (name, time) in &sorted[..shown] {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:>4.0} %  {:>3.0} %  {}",
            percent(time.all, all),
            percent(time.on_cpu, time.all),
            fit(name, NAME)
        );
    }
    if sorted.len() > shown {
        let rest: u64 = sorted[shown..].iter().map(|(_, time)| time.all).sum();
        let more = count((sorted.len() - shown) as u64, "other");
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:>4.0} %         {more}", percent(rest, all));
    }
}

fn percent(part: u64, all: u64) -> f64 {
    seconds(part) / seconds(all.max(1)) * 100.0
}

/// The view that Flask has called, or what else of the request runs.
fn view_of(frames: &[StackFrame]) -> String {
    let dispatch = frames.iter().rposition(|frame| {
        last_name(&frame.function) == DISPATCH && frame.file.ends_with("flask/app.py")
    });
    let Some(dispatch) = dispatch else {
        // Hooks, middleware, a response that is made while it is sent.
        return NO_VIEW.to_owned();
    };
    // From Flask inwards.
    let inner: Vec<&StackFrame> = frames[..dispatch].iter().rev().collect();
    let own: Vec<&&StackFrame> = inner
        .iter()
        .filter(|frame| is_of_application(frame))
        .collect();
    let named = own
        .iter()
        .find(|frame| !WRAPPERS.contains(&last_name(&frame.function)));
    let view = named.or(own.first()).map(|frame| **frame);
    match view.or(inner.first().copied()) {
        Some(view) => format!("{} ({})", view.function, view.file),
        None => NO_VIEW.to_owned(),
    }
}

/// The name without those of what it is defined in.
fn last_name(function: &str) -> &str {
    function.rsplit('.').next().unwrap_or(function)
}

/// Whether it is neither of an installed package, nor of Python.
fn is_of_application(frame: &StackFrame) -> bool {
    let foreign = [
        "/site-packages/",
        "/dist-packages/",
        "/lib/python3",
        "<frozen ",
    ];
    !foreign.iter().any(|part| frame.file.contains(part))
}

fn place(frame: &StackFrame) -> String {
    format!("{} ({}:{})", frame.function, frame.file, frame.line)
}

/// In a line for a flame graph, `;` stands between calls.
fn folded_name(frame: &StackFrame) -> String {
    let file = frame.file.rsplit('/').take(2).collect::<Vec<_>>();
    let file = file.into_iter().rev().collect::<Vec<_>>().join("/");
    format!("{} ({file})", frame.function).replace([';', '\n'], ":")
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
