//! uWSGI's lines, on its own pipe and on the application's.

use serde_json::json;

use super::{
    stages::check,
    through::{NOW, TRACEBACK, as_json, head, later, mark, records, run},
};
use crate::logs::{
    lines::{grouping, source_stage::SourceStage},
    options::Format,
    queue::batch::Batch,
    record::Source,
};

#[test]
fn uwsgi_messages() {
    check(
        Source::Uwsgi,
        "spawned uWSGI worker 1 (pid: 123, cores: 1)\n",
        &[
            json!({"level": "debug", "message": "spawned uWSGI worker 1 (pid: 123, cores: 1)",
            "pid": 123, "worker": 1}),
        ],
    );
    check(
        Source::Uwsgi,
        &format!("{TRACEBACK}\nunable to load app 0\n"),
        &[
            json!({"level": "error", "message": TRACEBACK}),
            json!({"level": "error", "message": "unable to load app 0"}),
        ],
    );
}

const CRASH: &str = "!!! uWSGI process 24981 got Segmentation Fault !!!
*** backtrace of 24981 ***
uwsgi: worker 1(uwsgi_backtrace+0x35) [0x55d1cbf1a0d5]
/lib/libc.so.6(+0x3c050) [0x7f34c2a5b050]
*** end of backtrace ***";

#[test]
fn a_crash_is_one_record() {
    check(
        Source::Uwsgi,
        &format!("{CRASH}\nDAMN ! worker 1 (pid: 24981) died :(\n"),
        &[
            json!({"level": "error", "message": CRASH, "pid": 24981}),
            json!({"level": "error", "message": "DAMN ! worker 1 (pid: 24981) died :(",
            "worker": 1, "pid": 24981}),
        ],
    );
    // Incomplete, and followed by a line that looks like more of it.
    let frame = CRASH.lines().nth(2).unwrap();
    let begun = CRASH.lines().take(2).collect::<Vec<_>>().join("\n");
    let mut stage = SourceStage::new(Source::AppStderr, Format::Json, mark());
    let mut batch = Batch::default();
    stage.feed(format!("{begun}\n").as_bytes(), NOW, &mut batch);
    assert_eq!(stage.deadline(), Some(NOW.up + grouping::IDLE));
    stage.tick(later(grouping::IDLE), &mut batch);
    stage.feed(
        format!("{frame}\n").as_bytes(),
        later(grouping::IDLE),
        &mut batch,
    );
    let seen = as_json(&records(&batch));
    assert_eq!(seen[0]["message"], begun);
    assert_eq!(seen[1]["source"], "app.stderr");
}

#[test]
fn uwsgi_is_distinguished_from_the_application() {
    let head = head("ab", "7");
    let ending = "...The work of process 7 is done. Seeya!";
    let (crash, end) = CRASH.rsplit_once('\n').unwrap();
    let frame = CRASH.lines().nth(2).unwrap();
    let seen = as_json(&run(
        Source::AppStderr,
        Format::Json,
        [format!(
            "{head}{ending}\n{ending}\n{frame}\n{crash}\n{head}hello\nfrom a program\n{end}\n{end}\n"
        )
        .as_bytes()],
    ));
    let seen: Vec<_> = seen
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap();
            (
                text("source"),
                text("level"),
                record["pid"].as_u64(),
                text("message"),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("app.stderr", "info", Some(7), ending),
            ("uwsgi", "debug", Some(7), ending),
            ("app.stderr", "info", None, frame),
            ("app.stderr", "info", Some(7), "hello"),
            ("app.stderr", "info", None, "from a program"),
            ("uwsgi", "error", Some(24981), CRASH),
            ("app.stderr", "info", None, end),
        ]
    );
    // stdout is never uWSGI's.
    check(
        Source::AppStdout,
        ending,
        &[json!({"level": "info", "message": ending})],
    );
}
