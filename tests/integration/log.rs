//! The launcher's output: stdout and stderr, line by line.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::wait::{poll, until};

/// The stream of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) stream: Stream,
    pub(crate) text: String,
    /// The line as JSON; null when it is none.
    pub(crate) json: Value,
}

impl Line {
    /// A string of the record, empty when there is none.
    pub(crate) fn str(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_default()
    }

    pub(crate) fn is_from(&self, source: &str) -> bool {
        self.str("source") == source
    }

    pub(crate) fn message(&self) -> &str {
        self.str("message")
    }
}

/// All lines so far; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Log {
    /// Reads a stream to its end in a thread.
    pub(crate) fn collect(
        &self,
        stream: Stream,
        from: impl Read + Send + 'static,
    ) -> JoinHandle<()> {
        let lines = Arc::clone(&self.lines);
        thread::spawn(move || {
            for bytes in BufReader::new(from).split(b'\n') {
                let Ok(bytes) = bytes else { break };
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let json = serde_json::from_slice(&bytes).unwrap_or_default();
                lines.lock().unwrap().push(Line { stream, text, json });
            }
        })
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// The matching lines.
    pub(crate) fn filter(&self, mut wanted: impl FnMut(&Line) -> bool) -> Vec<Line> {
        // Copies only the matching lines, because a log may have a hundred thousand.
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| wanted(line)).cloned().collect()
    }

    /// Looks at every line where it is: a log of a hundred thousand lines is large as a copy.
    pub(crate) fn each(&self, look: impl FnMut(&Line)) {
        self.lines.lock().unwrap().iter().for_each(look);
    }

    /// How many lines of either stream contain a text.
    pub(crate) fn count(&self, text: &str) -> usize {
        // Counts occurrences, because a traceback is one record in JSON and many lines in text.
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .map(|line| line.text.matches(text).count())
            .sum()
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.count(text) > 0
    }

    /// The last line that is not empty.
    pub(crate) fn last(&self) -> Option<Line> {
        self.filter(|line| !line.text.trim().is_empty()).pop()
    }

    /// Waits for a matching line.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, wanted: impl FnMut(&Line) -> bool) -> Line {
        let mut wanted = wanted;
        let found = poll(Duration::from_secs(20), || {
            let lines = self.lines.lock().unwrap();
            lines.iter().find(|line| wanted(line)).cloned()
        });
        found.unwrap_or_else(|| panic!("no such line in the log: {what}\n{}", self.tail(60)))
    }

    /// Waits for a line that contains a text.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, text: &str) {
        until(Duration::from_secs(20), text, || {
            self.contains(text).then_some(())
        });
    }

    /// The last lines for a failure message, without access records of successful requests.
    pub(crate) fn tail(&self, count: usize) -> String {
        let mut lines = self.lines();
        lines.retain(|line| {
            !line.text.contains("\"source\":\"nginx.access\"")
                || !line.text.contains("\"status\":200")
        });
        let mut text = String::new();
        for line in &lines[lines.len().saturating_sub(count)..] {
            writeln!(text, "  {:?} {}", line.stream, line.text).unwrap();
        }
        text
    }
}
