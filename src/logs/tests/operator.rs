//! What an operator reads at a terminal, and what the level of the log leaves out.

use super::{
    stages::check_text,
    through::{ACCESS, NOW, TRACEBACK, as_json, mark, records},
};
use crate::logs::{
    lines::source_stage::SourceStage,
    options::Format,
    queue::batch::Batch,
    record::{Level, Source},
};

#[test]
fn an_operator_reads_what_became_of_a_request() {
    let line = |status: &str, fields: &str, object: &str| {
        format!("1732486400.123 {status} 10.000 \"-\" - {fields} {{{object}}}\n")
    };
    let request = r#""request_id":"6fb0d1d4e2f7470fd616fd579edbf9bd","method":"POST","path":"/orders/2026/11/import","remote_addr":"10.0.0.1""#;
    let shown = "22:13:20.123 nginx    POST /orders/2026/11/import";
    assert!(shown.len() + " 200 10.00s id=6fb0d1d4".len() <= 80);
    for (input, expected) in [
        (
            line("200", r#""3 99 -" "0.0" """#, request),
            format!("{shown} 200 10.00s id=6fb0d1d4\n"),
        ),
        (
            line("200", r#""3 4500 -" "0.0" """#, request),
            format!("{shown} 200 10.00s (4.50s in queue) id=6fb0d1d4\n"),
        ),
        (
            line("503", r#""- - queue_timeout" "0.0" """#, request),
            format!("{shown} 503 10.00s (queue timeout) id=6fb0d1d4\n"),
        ),
        (
            line("000", r#""" "" """#, request),
            format!("{shown} no answer 10.00s id=6fb0d1d4\n"),
        ),
        (
            line("400", r#""" "" """#, ""),
            "22:13:20.123 nginx    (unreadable request) 400 10.00s\n".to_owned(),
        ),
    ] {
        check_text(Source::NginxAccess, &input, &expected);
    }
    let waited = line("504", r#""3 4500 request_timeout" "0.0" """#, request);
    let expected = format!("{shown} 504 10.00s (4.50s in queue, request timeout) id=6fb0d1d4\n");
    check_text(
        Source::NginxAccess,
        &waited.replace("\"-\" -", "\"10.000\" -"),
        &expected,
    );
}

#[test]
fn records_below_the_level_are_left_out_and_counted() {
    let long = "x".repeat(300_000);
    let cases = [
        (
            Source::Uwsgi,
            "spawned uWSGI worker 1 (pid: 7, cores: 1)\nhello\nx died\n".to_owned(),
            2,
        ),
        (
            Source::AppStderr,
            format!(
                "plain\n{{\"level\":\"debug\",\"msg\":\"x\"}}\n{long}\nWARNING:x:y\n{TRACEBACK}\n"
            ),
            3,
        ),
        (
            Source::NginxError,
            "2026/11/24 16:52:30 [notice] 7#0: x\nnginx: y\n".to_owned(),
            1,
        ),
    ];
    for (source, input, below) in cases {
        let stage = SourceStage::new(source, Format::Json, mark());
        let mut stage = stage.from_level(Level::Warn);
        let mut batch = Batch::default();
        stage.feed(input.as_bytes(), NOW, &mut batch);
        stage.flush(NOW, &mut batch);
        assert_eq!(batch.skipped[source.index()], below, "{source:?}");
        let written = as_json(&records(&batch));
        assert!(!written.is_empty(), "{source:?}");
        for record in written {
            assert!(
                record["level"] == "warn" || record["level"] == "error",
                "{record}"
            );
        }
    }
    // Access records have a filter of their own.
    let stage = SourceStage::new(Source::NginxAccess, Format::Json, mark());
    let (mut stage, mut batch) = (stage.from_level(Level::Error), Batch::default());
    stage.feed(format!("{ACCESS}\n").as_bytes(), NOW, &mut batch);
    assert_eq!((batch.count(), batch.skipped), (1, [0; 6]));
}
