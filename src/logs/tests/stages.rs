//! The records that the lines of each source become.

use serde_json::{Value, json};

use super::through::{
    ACCESS, NONCE, NOW, PROBE, TRACEBACK, as_json, head, later, mark, records, run,
};
use crate::logs::{
    lines::{
        grouping::{self, LINES},
        source_stage::{SourceStage, UNENDED},
    },
    options::{AccessFilter, Format},
    queue::batch::Batch,
    record::Source,
    writing::renderer::LINE_MAX,
};

#[track_caller]
pub(super) fn check(source: Source, input: &str, expected: &[Value]) {
    let mut seen = as_json(&run(source, Format::Json, [input.as_bytes()]));
    for record in &mut seen {
        let record = record.as_object_mut().unwrap();
        assert_eq!(record.remove("source"), Some(source.as_str().into()));
        let ts = record.remove("ts").unwrap();
        if source != Source::NginxAccess {
            assert_eq!(ts, "2024-11-24T22:13:20.123456Z");
        }
    }
    assert_eq!(seen, expected);
}

#[track_caller]
fn check_text(source: Source, input: &str, expected: &str) {
    let format = Format::Text { colour: false };
    assert_eq!(run(source, format, [input.as_bytes()]).concat(), expected);
}

#[test]
fn access_records() {
    check(
        Source::NginxAccess,
        &format!("{ACCESS}\n{PROBE}\nforeign\n"),
        &[
            json!({
                "level": "info", "message": "GET /x 200 1.25s", "duration_ms": 1253,
                "upstream_ms": 2, "queue_ms": 1, "app_ms": 1, "worker": 3, "request_id": "ab12", "method": "GET", "path": "/x",
                "status": 200, "bytes": 12, "remote_addr": "10.0.0.1", "user_agent": "curl/8",
            }),
            json!({"level": "info", "message": "foreign"}),
        ],
    );
    check(
        Source::NginxAccess,
        "1.000 400 0.000 \"-\" - \"\" \"\" \"\" {}\n",
        &[json!({"level": "warn", "message": "- - 400 0ms", "duration_ms": 0})],
    );
    check_text(
        Source::NginxAccess,
        ACCESS,
        "2024-11-24T22:13:20.123Z nginx    GET /x 200 1.25s 10.0.0.1 rid=ab12\n",
    );
}

#[test]
fn access_records_can_be_left_out() {
    let mut stage = SourceStage::new(Source::NginxAccess, Format::Json, mark());
    let mut batch = Batch::default();
    stage.set_access(AccessFilter::Off);
    stage.feed(format!("{ACCESS}\n{PROBE}\n").as_bytes(), NOW, &mut batch);
    assert_eq!((batch.count(), batch.skipped), (0, 2));
}

#[test]
fn clients_cannot_break_an_access_record() {
    let hostile = ACCESS.replace("curl/8", "\u{202e}\u{9b}31m\u{2028}");
    let mut bytes = hostile.into_bytes();
    bytes.splice(bytes.len() - 2..bytes.len() - 2, *b"\xff\xfe");
    let record = &as_json(&run(Source::NginxAccess, Format::Json, [&bytes[..]]))[0];
    assert_eq!(
        record["user_agent"],
        "\u{202e}\u{9b}31m\u{2028}\u{fffd}\u{fffd}"
    );
}

#[test]
fn nginx_errors() {
    check(
        Source::NginxError,
        "2026/11/24 16:52:30 [crit] 24#24: *1 connect() \"x\"\n",
        &[
            json!({"level": "error", "message": "*1 connect() \"x\"", "pid": 24, "severity": "crit"}),
        ],
    );
    check_text(
        Source::NginxError,
        "2026/11/24 16:52:30 [warn] 24#24: x",
        "2024-11-24T22:13:20.123Z nginx!   WARN x pid=24 severity=warn\n",
    );
}

#[test]
fn lines_of_the_application() {
    check(
        Source::AppStdout,
        &format!(
            "plain\n{}WARNING:root:x\n\n\x1e\"}};7;no head\n",
            head("ab", "7")
        ),
        &[
            json!({"level": "info", "message": "plain"}),
            json!({"level": "info", "message": ""}),
            json!({"level": "info", "message": "\u{1e}\"};7;no head"}),
            json!({"level": "warn", "message": "WARNING:root:x", "request_id": "ab", "pid": 7}),
        ],
    );
    check_text(
        Source::AppStdout,
        &format!("{}hello \x1b[31m\"\\\n", head("ab", "7")),
        "2024-11-24T22:13:20.123Z app      hello \\x1b[31m\"\\ rid=ab pid=7\n",
    );
}

#[test]
fn a_line_without_end_does_not_swallow_the_next_one() {
    let (head, more) = (head("ab", "7"), head("ab", "7+"));
    check(
        Source::AppStderr,
        &format!("no end{head}hello\n{more}a\n{more}bb{head}c\nb\n"),
        &[
            json!({"level": "info", "message": "no end"}),
            json!({"level": "info", "message": "hello", "request_id": "ab", "pid": 7}),
            json!({"level": "info", "message": "a\nbb\nc", "request_id": "ab", "pid": 7}),
            json!({"level": "info", "message": "b"}),
        ],
    );
}

#[test]
fn heads_cannot_be_forged() {
    let mut near = NONCE.to_owned();
    near.replace_range(15.., "!");
    for forged in [
        "\x1efakeid;999;raw".to_owned(),
        "\x1e;fakeid;999;raw".to_owned(),
        format!("\x1e{near};fakeid;999;raw"),
        format!("text \x1e{near};fakeid;999;raw"),
        format!("{NONCE};fakeid;999;raw"),
    ] {
        check(
            Source::AppStdout,
            &format!("{forged}\n{}{forged}\n", head("ab", "7")),
            &[
                json!({"level": "info", "message": forged}),
                json!({"level": "info", "message": forged, "request_id": "ab", "pid": 7}),
            ],
        );
    }
}

#[test]
fn json_of_the_application() {
    check(
        Source::AppStderr,
        &(head("ab", "7")
            + "{\"msg\":\"a\\n\\\"b\",\"level\":\"Error\",\"n\":[1.50]} \n{\"a\":}\n[1]\n"),
        &[
            json!({"level": "error", "message": "a\n\"b", "request_id": "ab", "pid": 7,
            "app": {"msg": "a\n\"b", "level": "Error", "n": [1.5]}}),
            json!({"level": "info", "message": "{\"a\":}"}),
            json!({"level": "info", "message": "[1]"}),
        ],
    );
    // With its message twice it would be too long for a line; without, it fits.
    let long = format!("{{\"message\":\"{}\"}}\n", "x".repeat(9000));
    let seen = as_json(&run(Source::AppStdout, Format::Json, [long.as_bytes()]));
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["message"], "");
    assert_eq!(seen[0]["app"]["message"].as_str().map(str::len), Some(9000));
}

#[test]
fn tracebacks_are_one_record() {
    let flask =
        format!("[2026-11-24 10:00:00,123] ERROR in app: Exception on / [GET]\n{TRACEBACK}");
    check(
        Source::AppStderr,
        &format!("{TRACEBACK}\nnext\n{flask}\n\n"),
        &[
            json!({"level": "error", "message": TRACEBACK}),
            json!({"level": "info", "message": "next"}),
            json!({"level": "error", "message": flask}),
            json!({"level": "error", "message": ""}),
        ]
        .map(|mut record| {
            // A blank line after a traceback is a line of its own.
            if record["message"] == "" {
                record["level"] = "info".into();
            }
            record
        }),
    );
    check_text(
        Source::AppStderr,
        TRACEBACK,
        "2024-11-24T22:13:20.123Z app!     ERROR Traceback (most recent call last):\n      File \"a.py\", line 1, in f\n    KeyError: 'k'\n",
    );
}

#[test]
fn tracebacks_of_two_workers_are_separated() {
    let mut input = String::new();
    for line in TRACEBACK.lines() {
        for pid in [7, 8] {
            let head = head(&format!("r{pid}"), &pid.to_string());
            input.extend([head, line.to_owned(), "\n".to_owned()]);
        }
    }
    check(
        Source::AppStderr,
        &input,
        &[
            json!({"level": "error", "message": TRACEBACK, "request_id": "r7", "pid": 7}),
            json!({"level": "error", "message": TRACEBACK, "request_id": "r8", "pid": 8}),
        ],
    );
}

#[test]
fn marked_lines_are_one_record_without_a_wait() {
    let mut stage = SourceStage::new(Source::AppStderr, Format::Json, mark());
    let mut batch = Batch::default();
    let (more, last) = (head("a", "7+"), head("a", "7"));
    let input = format!("{more}ERROR:x:what\n{more}not indented\n{last}the end\n");
    stage.feed(input.as_bytes(), NOW, &mut batch);
    assert_eq!(stage.deadline(), None);
    let seen = as_json(&records(&batch));
    assert_eq!(seen[0]["message"], "ERROR:x:what\nnot indented\nthe end");
    assert_eq!((seen.len(), &seen[0]["level"]), (1, &json!("error")));
}

#[test]
fn nothing_waits_for_long() {
    let mut stage = SourceStage::new(Source::AppStderr, Format::Json, mark());
    let mut batch = Batch::default();
    stage.feed(format!("{TRACEBACK}\nunended").as_bytes(), NOW, &mut batch);
    assert_eq!(stage.deadline(), Some(NOW.up + grouping::IDLE));
    stage.tick(later(grouping::IDLE), &mut batch);
    assert_eq!(batch.count(), 1);
    assert_eq!(stage.deadline(), Some(NOW.up + UNENDED));
    stage.tick(later(UNENDED), &mut batch);
    assert_eq!(batch.count(), 2);
    assert_eq!(stage.deadline(), None);
    assert_eq!(as_json(&records(&batch))[1]["message"], "unended");
}

#[test]
fn a_traceback_without_end_becomes_several_records() {
    let frames = "  File \"a.py\", line 1, in f\n".repeat(2 * LINES);
    let input = format!("Traceback (most recent call last):\n{frames}KeyError: 1\n");
    let seen = as_json(&run(Source::AppStderr, Format::Json, [input.as_bytes()]));
    let joined: Vec<_> = seen
        .iter()
        .map(|record| record["message"].as_str().unwrap())
        .collect();
    assert!(seen.iter().all(|record| record["level"] == "error"));
    assert!(joined.iter().all(|text| text.lines().count() <= LINES));
    assert_eq!(joined.concat().replace('\n', ""), input.replace('\n', ""));
}

#[test]
fn long_lines_come_in_chunks_that_belong_together() {
    for (size, head) in [
        (20_000, String::new()),
        (20_000, head("ab", "7")),
        (1_000_000, head("ab", "7")),
    ] {
        let text: String = "é\"\u{1b}x".chars().cycle().take(size).collect();
        let seen = as_json(&run(
            Source::AppStdout,
            Format::Json,
            [format!("{head}{text}\nnext\n").as_bytes()],
        ));
        let (next, chunks) = seen.split_last().unwrap();
        assert_eq!(next["message"], "next");
        assert!(chunks.len() > 1);
        for (seq, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk["partial"], true);
            assert_eq!(chunk["partial_seq"], seq);
            assert_eq!(chunk["partial_id"], chunks[0]["partial_id"]);
            assert_eq!(chunk["partial_last"] == true, seq == chunks.len() - 1);
            assert_eq!(chunk["pid"] == 7, !head.is_empty());
        }
        let joined: String = chunks
            .iter()
            .map(|chunk| chunk["message"].as_str().unwrap())
            .collect();
        assert!(joined == text, "{size} {head:?}");
    }
}

#[test]
fn chunks_fill_their_lines() {
    let (head, text) = (head("ab", "7"), "x".repeat(LINE_MAX));
    let lines = run(
        Source::AppStdout,
        Format::Json,
        [format!("{head}{text}\n").as_bytes()],
    );
    // In the first attempt the mark of a last chunk takes room.
    assert_eq!((lines.len(), lines[0].len() + 20), (2, LINE_MAX));
}
