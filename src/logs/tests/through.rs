//! Passes bytes through the stage of a source and checks what holds for every record.

use std::time::Duration;

use serde_json::Value;

use crate::logs::{
    lines::{origin::LineMark, source_stage::SourceStage},
    options::Format,
    queue::batch::Batch,
    record::{Moment, Source},
    writing::renderer::LINE_MAX,
};

pub(super) const NOW: Moment = Moment {
    wall: 1_732_486_400_123_456,
    up: Duration::from_secs(5),
};

pub(super) fn later(wait: Duration) -> Moment {
    Moment {
        wall: NOW.wall + 1,
        up: NOW.up + wait,
    }
}

/// The mark of these tests, with the nonce [`NONCE`].
pub(super) fn mark() -> LineMark {
    let mark = LineMark::new(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    assert_eq!(mark.nonce(), NONCE);
    mark
}

/// A head: `id` is the id of a request, `pid` may end with a `+`.
pub(super) fn head(id: &str, pid: &str) -> String {
    format!("\x1e{NONCE};{id};{pid};")
}

/// The records of these reads, checked for what holds for every line.
pub(super) fn run<'a>(
    source: Source,
    format: Format,
    reads: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<String> {
    let mut stage = SourceStage::new(source, format, mark());
    let mut batch = Batch::default();
    for read in reads {
        stage.feed(read, NOW, &mut batch);
    }
    stage.flush(NOW, &mut batch);
    assert_eq!(stage.deadline(), None);
    records(&batch)
}

pub(super) fn records(batch: &Batch) -> Vec<String> {
    let mut start = 0;
    let next = |(len, _)| {
        let record = batch.bytes()[start..start + len].to_vec();
        start += len;
        assert!(len <= LINE_MAX, "{len} bytes");
        String::from_utf8(record).unwrap()
    };
    batch.records().map(next).collect()
}

pub(super) fn as_json(lines: &[String]) -> Vec<Value> {
    let parse = |line: &String| {
        let line = line.strip_suffix('\n').expect("a line end");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let value: Value = serde_json::from_str(line).expect(line);
        for field in ["ts", "level", "source", "message"] {
            assert!(value[field].is_string(), "{field} in {line}");
        }
        value
    };
    lines.iter().map(parse).collect()
}

pub(super) const NONCE: &str = "v38qJeWRjEw7Nvai";
pub(super) const ACCESS: &str = r#"1732486400.123 200 1.253 "0.002" - "3 1 -" "0.000" "PASSED" {"request_id":"ab12","method":"GET","path":"/x","status":200,"bytes":12,"remote_addr":"10.0.0.1","user_agent":"curl/8"}"#;
pub(super) const PROBE: &str =
    r#"1732486400.123 200 0.003 "0.002" h "" "" "" {"request_id":"ab12"}"#;
pub(super) const TRACEBACK: &str =
    "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'k'";
