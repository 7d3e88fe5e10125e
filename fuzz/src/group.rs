//! Whatever a child writes, the records do not depend on reads, and each is valid and not too long.

use std::time::Duration;

use microservice_flask::internals::logs::{
    Format, Source,
    lines::{origin::LineMark, source_stage::SourceStage},
    queue::batch::Batch,
    record::Moment,
    writing::renderer::LINE_MAX,
};

fn run<'a>(source: Source, reads: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let now = Moment {
        wall: 1_732_486_400_123_456,
        up: Duration::from_secs(5),
    };
    let mut stage = SourceStage::new(source, Format::Json, LineMark::new(7));
    let mut batch = Batch::default();
    for read in reads {
        stage.feed(read, now, &mut batch);
    }
    stage.flush(now, &mut batch);
    assert_eq!(stage.deadline(), None);
    batch.bytes().to_vec()
}

pub(crate) fn check(data: &[u8]) {
    let Some((&[source, size], data)) = data.split_first_chunk::<2>() else {
        return;
    };
    let source = Source::PIPED[usize::from(source) % Source::PIPED.len()];
    // RS stands for the mark, because the fuzzer cannot guess the nonce.
    let head = format!("\x1e{};", LineMark::new(7).nonce());
    let data = data.split(|&byte| byte == 0x1e).collect::<Vec<_>>();
    let data = data.join(head.as_bytes());
    let data = &data[..];
    let whole = run(source, std::iter::once(data));
    assert_eq!(whole, run(source, data.chunks(usize::from(size) + 1)));
    for line in whole.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.len() <= LINE_MAX);
        let record: serde_json::Value = serde_json::from_slice(line).expect("valid JSON");
        let of_a_worker = source == Source::AppStderr && record["source"] == "uwsgi";
        assert!(of_a_worker || record["source"] == source.as_str());
    }
}
