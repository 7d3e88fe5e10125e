//! The trace id in the records of the application and of nginx.

use serde_json::json;

use super::stages::check;
use super::through::{ACCESS, as_json, head, run};
use crate::logs::{options::Format, record::Source};

#[test]
fn records_with_a_trace() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let both = format!("ab/{trace}");
    let (same, first, last) = (
        head(&format!("{trace}/"), "7"),
        head(&both, "7+"),
        head(&both, "7"),
    );
    let of = |request_id: &str, message: &str| json!({"level": "info", "message": message, "request_id": request_id, "trace_id": trace, "pid": 7});
    let mut object = of("ab", "x");
    object["app"] = json!({"message": "x"});
    check(
        Source::AppStderr,
        &format!("{same}one\n{first}two\n{last}lines\n{last}{{\"message\":\"x\"}}\n"),
        &[of(trace, "one"), of("ab", "two\nlines"), object],
    );
    // Another trace is another request, whatever id its client has sent.
    check(
        Source::AppStderr,
        &format!(
            "{first}a\n{}b\n",
            head(&format!("ab/{}", "1".repeat(32)), "7")
        ),
        &[
            of("ab", "a"),
            json!({"level": "info", "message": "b", "request_id": "ab", "trace_id": "1".repeat(32), "pid": 7}),
        ],
    );
    let long = format!("{last}{}", "x".repeat(300 * 1024));
    for chunk in as_json(&run(Source::AppStdout, Format::Json, [long.as_bytes()])) {
        assert_eq!(chunk["trace_id"], trace);
    }
    let with = ACCESS.replace(
        "\"method\"",
        &format!("\"trace_id\":\"{trace}\",\"method\""),
    );
    let record = &as_json(&run(Source::NginxAccess, Format::Json, [with.as_bytes()]))[0];
    assert_eq!(record["trace_id"], trace);
}
