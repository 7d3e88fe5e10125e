//! nginx's error and access lines with a client's text in them: one record each, valid JSON, with the text as it was and
//! without its queries.

use std::time::Duration;

use microservice_flask::internals::logs::{
    Format, Source,
    lines::{origin::LineMark, source_stage::SourceStage},
    queue::batch::Batch,
    record::Moment,
};
use serde_json::Value;

/// nginx cuts its error lines here (`NGX_MAX_ERROR_STR`).
const ERROR_LINE: usize = 2048;
/// More does not fit into one record with all that is around it.
const TEXT: usize = 1500;
/// The beginning of each query.
const SECRET: &[u8] = b"TOKEN";

pub(crate) fn check(data: &[u8]) {
    let data = &data[..data.len().min(TEXT)];
    raw(data);
    // Three texts of one client.
    let mut texts = data.split(|&byte| byte == b'\n');
    let mut next = || texts.next().unwrap_or_default();
    let (path, query, referrer) = (next(), next(), next());
    errors(path, query, referrer);
    access(data);
}

/// The records of the bytes, which are lines of this source.
fn records(source: Source, bytes: &[u8]) -> Vec<Value> {
    let lines = rendered(source, bytes, Format::Json);
    let lines = lines.split_inclusive(|&byte| byte == b'\n');
    lines
        .map(|line| {
            assert!(line.ends_with(b"\n"));
            let record: Value = serde_json::from_slice(line).expect("valid JSON");
            assert_eq!(record["source"], source.as_str());
            record
        })
        .collect()
}

fn rendered(source: Source, bytes: &[u8], format: Format) -> Vec<u8> {
    let now = Moment {
        wall: 1_732_486_400_123_456,
        up: Duration::from_secs(5),
    };
    let mut stage = SourceStage::new(source, format, LineMark::new(7));
    let mut batch = Batch::default();
    stage.feed(bytes, now, &mut batch);
    stage.flush(now, &mut batch);
    batch.bytes().to_vec()
}

/// Whole lines, as if nginx wrote anything.
fn raw(data: &[u8]) {
    let lines = data.split_inclusive(|&byte| byte == b'\n').count();
    for source in [Source::NginxAccess, Source::NginxError] {
        let count = records(source, data).len();
        assert!(count <= lines);
        let text = rendered(source, data, Format::Text { colour: false });
        let text = String::from_utf8(text).expect("UTF-8");
        let harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
        assert!(text.chars().all(harmless));
        assert_eq!(text.lines().count(), count);
    }
}

/// What nginx takes in a request line: it refuses the others with 400, or ends the line there.
fn in_a_request_line(text: &[u8]) -> Vec<u8> {
    let bytes = text.iter().copied();
    let bytes = bytes.filter(|byte| *byte > b' ' && *byte != 0x7f);
    bytes.collect()
}

fn errors(path: &[u8], query: &[u8], referrer: &[u8]) {
    let mut path = in_a_request_line(path);
    path.retain(|byte| !b"?#".contains(byte));
    let query = [SECRET, &in_a_request_line(query)].concat();
    let mut referrer = referrer.to_vec();
    referrer.retain(|byte| !b"\r\n\0".contains(byte));
    let referrer = [SECRET, &referrer].concat();
    if path.windows(SECRET.len()).any(|part| part == SECRET) {
        return;
    }
    let what = b"connect() to unix:/run/app.sock failed (111: Connection refused) while connecting to upstream";
    let mut line = [
        b"2026/11/24 16:52:30 [error] 7#7: *1 ",
        &what[..],
        b", client: 10.0.0.1, server: _, request: \"GET /",
        &path,
        b"?",
        &query,
        b" HTTP/1.1\", upstream: \"http://unix:/run/app.sock:/",
        &path,
        b"?",
        &query,
        b"\", host: \"example.org\", referrer: \"http://h/",
        &path,
        b"?",
        &referrer,
        b"\"",
    ]
    .concat();
    line.truncate(ERROR_LINE);
    let records = records(Source::NginxError, &line);
    let [record] = records.as_slice() else {
        panic!("{} records", records.len());
    };
    let message = record["message"].as_str().expect("a message");
    assert!(!record.to_string().contains("TOKEN"), "{record}");
    assert!(message.contains("failed (111: Connection refused)"));
    assert!(message.contains(&*String::from_utf8_lossy(&path)));
    assert_eq!(record["pid"], 7);
}

/// A text as nginx writes it with `escape=json` (`ngx_escape_json` in ngx_string.c).
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x08 => out.extend(b"\\b"),
            0x0c => out.extend(b"\\f"),
            0..b' ' => out.extend(format!("\\u{byte:04X}").bytes()),
            _ => out.push(*byte),
        }
    }
    out
}

fn access(text: &[u8]) {
    let value = escaped(text);
    let line = [
        br#"1732486400.123 200 0.003 "0.002" - "3 1 -" "0.000" "PASSED" "#,
        &br#"{"request_id":"ab12","method":"GET","path":""#[..],
        &value,
        br#"","status":200,"bytes":12,"remote_addr":"10.0.0.1","user_agent":""#,
        &value,
        b"\"}\n",
    ]
    .concat();
    let records = records(Source::NginxAccess, &line);
    let [record] = records.as_slice() else {
        panic!("{} records", records.len());
    };
    let text = String::from_utf8_lossy(text);
    assert_eq!(record["path"], *text);
    assert_eq!(record["user_agent"], *text);
    assert_eq!(
        (&record["status"], &record["worker"]),
        (&200.into(), &3.into())
    );
    assert_eq!(record["level"], "info");
}
