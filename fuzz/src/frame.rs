//! The lines do not depend on where reads begin and end, and only line ends are missing.

use microservice_flask::internals::logs::lines::frame::{CHUNK, Framer, LinePart};
use microservice_flask::internals::logs::lines::origin::LineMark;

fn frame<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, LinePart)> {
    let mut framer = Framer::with(Some(LineMark::new(7)));
    let mut lines = Vec::new();
    for read in reads {
        framer.feed(read, |line| lines.push((line.bytes.to_vec(), line.part)));
    }
    framer.flush(|line| lines.push((line.bytes.to_vec(), line.part)));
    assert!(!framer.is_pending());
    lines
}

pub(crate) fn check(data: &[u8]) {
    let Some((&[size, repeat], data)) = data.split_first_chunk::<2>() else {
        return;
    };
    // RS stands for the mark, because the fuzzer cannot guess the nonce.
    let head = format!("\x1e{};", LineMark::new(7).nonce());
    let data = data.split(|&byte| byte == 0x1e).collect::<Vec<_>>();
    let data = data.join(head.as_bytes());
    // Repeated, so that lines of several chunks are tested as well.
    let long = repeat > 250;
    let data = data.repeat(if long {
        2 * CHUNK / data.len().max(1) + 2
    } else {
        1
    });
    let size = usize::from(size) * if long { 997 } else { 1 } + 1;
    let whole = frame(std::iter::once(&data[..]));
    assert_eq!(whole, frame(data.chunks(size)));
    let kept: usize = whole.iter().map(|(bytes, _)| bytes.len()).sum();
    let ends = data.iter().filter(|byte| b"\r\n".contains(byte)).count();
    assert!(kept <= data.len() && kept + ends >= data.len());
}
