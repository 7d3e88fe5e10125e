//! What the log should not say: warnings and errors about a service that is well.

use crate::log::{Line, Log};

/// What is said, rightly, when a worker is killed under its request. nginx names what the kernel tells it: the end of the
/// connection when the worker has read the request, a reset when it has not (unix(7): data is left in its buffer), which is
/// about one death in twenty under load.
const OF_A_KILL: [&str; 3] = [
    "killed by signal 9",
    "upstream prematurely closed connection",
    "recv() failed (104: Connection reset by peer) while reading response header from upstream",
];

/// Asserts that there are no records of level warning and above but those of a kill, and those that contain one of these texts.
#[track_caller]
pub(super) fn assert_no_false_alarms(log: &Log, rightly: &[&str]) {
    let is_quiet = |line: &Line| matches!(line.str("level"), "" | "trace" | "debug" | "info");
    let is_right = |line: &Line| {
        let mut texts = OF_A_KILL.iter().chain(rightly);
        texts.any(|text| line.text.contains(text))
    };
    let found = log.filter(|line| !is_quiet(line) && !is_right(line));
    let texts: Vec<_> = found.iter().map(|line| line.text.as_str()).collect();
    assert!(texts.is_empty(), "false alarms: {texts:#?}");
}
