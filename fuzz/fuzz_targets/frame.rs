//! However bytes are cut into reads, the lines are the same, and only line ends are missing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use microservice_flask::logs::frame::{Framer, PIECE, Part};
use microservice_flask::logs::origin::Mark;

fn frame<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, Part)> {
    let mut framer = Framer::with(Some(Mark::new(7)));
    let mut lines = Vec::new();
    for read in reads {
        framer.feed(read, |line| lines.push((line.bytes.to_vec(), line.part)));
    }
    framer.flush(|line| lines.push((line.bytes.to_vec(), line.part)));
    assert!(!framer.is_pending());
    lines
}

fuzz_target!(|data: &[u8]| {
    let Some((&[size, repeat], data)) = data.split_first_chunk::<2>() else {
        return;
    };
    // The fuzzer need not know the nonce.
    let head = format!("\x1e{};", Mark::new(7).nonce());
    let data = data.split(|&byte| byte == 0x1e).collect::<Vec<_>>();
    let data = data.join(head.as_bytes());
    // Repeated, so that lines beyond the size of a piece are met as well.
    let long = repeat > 250;
    let data = data.repeat(if long {
        2 * PIECE / data.len().max(1) + 2
    } else {
        1
    });
    let size = usize::from(size) * if long { 997 } else { 1 } + 1;
    let whole = frame(std::iter::once(&data[..]));
    assert_eq!(whole, frame(data.chunks(size)));
    let kept: usize = whole.iter().map(|(bytes, _)| bytes.len()).sum();
    let ends = data.iter().filter(|byte| b"\r\n".contains(byte)).count();
    assert!(kept <= data.len() && kept + ends >= data.len());
});
