//! How reads of any size become lines. Pure.
//!
//! A line that lies within one read is passed on without a copy; only a line that continues in the
//! next read is copied. The lines never depend on where reads begin and end.
//!
//! A [`LineMark`] also begins a line, wherever it is found: text before it that has no line end is a
//! line of its own.

use super::origin::LineMark;
use crate::logs::writing::escape::boundary;

/// The longest line in bytes that is kept whole in memory. Longer ones are passed on in chunks of
/// this size, so that a program which never ends its line takes no more memory than this.
pub const CHUNK: usize = 256 * 1024;

/// The position of a chunk in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinePart {
    /// The chunk is the whole line.
    Whole,
    /// The first of several.
    First,
    /// Neither the first nor the last.
    Middle,
    /// The last of several.
    Last,
}

/// A line or a chunk of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramedLine<'a> {
    /// Without the line end.
    pub bytes: &'a [u8],
    /// The position in the line.
    pub part: LinePart,
}

/// Splits a stream into lines.
#[derive(Debug, Default)]
pub struct Framer {
    /// The beginning of a line whose end has not been read yet.
    carry: Vec<u8>,
    /// Whether chunks of that line were passed on already.
    split: bool,
    /// Begins a line even where the previous one has no end.
    mark: Option<LineMark>,
}

impl Framer {
    /// For a stream in which lines may begin with `mark`.
    pub fn with(mark: Option<LineMark>) -> Self {
        Self {
            mark,
            ..Self::default()
        }
    }

    /// Takes the bytes of one read and passes on every line that they complete.
    pub fn feed(&mut self, mut read: &[u8], mut each: impl FnMut(FramedLine<'_>)) {
        if !self.carry.is_empty() || self.split {
            let end = memchr::memchr(b'\n', read);
            self.carry
                .extend_from_slice(&read[..end.unwrap_or(read.len())]);
            let Some(end) = end else {
                self.pass_chunks(LineMark::LEN, &mut each);
                return;
            };
            self.end(&mut each);
            read = &read[end + 1..];
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', read) {
            let line = &read[start..end];
            start = end + 1;
            if line.len() <= CHUNK && self.inner_mark(line).is_none() {
                each(FramedLine {
                    bytes: without_return(line),
                    part: LinePart::Whole,
                });
            } else {
                self.carry.extend_from_slice(line);
                self.end(&mut each);
            }
        }
        self.carry.extend_from_slice(&read[start..]);
        self.pass_chunks(LineMark::LEN, &mut each);
    }

    /// Passes on a line without an end as if it had ended.
    pub fn flush(&mut self, mut each: impl FnMut(FramedLine<'_>)) {
        if self.is_pending() {
            self.end(&mut each);
        }
    }

    /// Whether there is a line without an end.
    pub fn is_pending(&self) -> bool {
        !self.carry.is_empty() || self.split
    }

    /// Passes on chunks until no more than one chunk and `more` bytes are kept: a mark that begins
    /// within a chunk must be complete, or it could not be distinguished from text.
    fn pass_chunks(&mut self, more: usize, each: &mut impl FnMut(FramedLine<'_>)) {
        let mut start = 0;
        while self.carry.len() - start > CHUNK + more {
            let rest = &self.carry[start..];
            let seen = &rest[..rest.len().min(CHUNK + LineMark::LEN)];
            let (chunk, part) = match self.inner_mark(seen) {
                Some(mark) => (&rest[..mark], self.last()),
                None if self.split => (&rest[..boundary(rest, CHUNK)], LinePart::Middle),
                None => (&rest[..boundary(rest, CHUNK)], LinePart::First),
            };
            self.split = matches!(part, LinePart::First | LinePart::Middle);
            start += chunk.len();
            each(FramedLine { bytes: chunk, part });
        }
        self.carry.drain(..start);
    }

    /// Passes on everything that is kept: the line has ended.
    fn end(&mut self, each: &mut impl FnMut(FramedLine<'_>)) {
        self.pass_chunks(0, each);
        let mut start = 0;
        while let Some(mark) = self.inner_mark(&self.carry[start..]) {
            each(FramedLine {
                bytes: &self.carry[start..start + mark],
                part: self.last(),
            });
            self.split = false;
            start += mark;
        }
        each(FramedLine {
            bytes: without_return(&self.carry[start..]),
            part: self.last(),
        });
        self.carry.clear();
        self.split = false;
    }

    /// Where in a line the next one begins.
    fn inner_mark(&self, line: &[u8]) -> Option<usize> {
        self.mark?.find(line, usize::from(!self.split))
    }

    fn last(&self) -> LinePart {
        if self.split {
            LinePart::Last
        } else {
            LinePart::Whole
        }
    }
}

/// `\r\n` is a line end, too.
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, FramedLine, Framer, LineMark, LinePart};
    use proptest::prelude::*;

    fn frame<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, LinePart)> {
        let mut framer = Framer::with(Some(LineMark::new(7)));
        let mut lines = Vec::new();
        let mut keep = |line: FramedLine<'_>| lines.push((line.bytes.to_vec(), line.part));
        for read in reads {
            framer.feed(read, &mut keep);
        }
        framer.flush(&mut keep);
        assert!(!framer.is_pending());
        lines
    }

    #[track_caller]
    fn check(reads: &[&str], expected: &[&str]) {
        let lines = frame(reads.iter().map(|read| read.as_bytes()));
        let expected: Vec<_> = expected
            .iter()
            .map(|line| (line.as_bytes().to_vec(), LinePart::Whole))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn lines_across_reads() {
        check(&[], &[]);
        check(&["a\nb\n"], &["a", "b"]);
        check(&["a", "b", "\nc", "\n"], &["ab", "c"]);
        check(&["\n", "\n\n"], &["", "", ""]);
        check(&["a\r\nb\r", "\nc\rd\n"], &["a", "b", "c\rd"]);
        check(&["no end"], &["no end"]);
    }

    #[test]
    fn a_line_without_end_comes_in_chunks() {
        let long = vec![b'x'; 2 * CHUNK + 10];
        let lines = frame([&long[..], b"\nnext\n"]);
        let shape: Vec<_> = lines
            .iter()
            .map(|(bytes, part)| (bytes.len(), *part))
            .collect();
        assert_eq!(
            shape,
            [
                (CHUNK, LinePart::First),
                (CHUNK, LinePart::Middle),
                (10, LinePart::Last),
                (4, LinePart::Whole)
            ]
        );
    }

    #[test]
    fn a_line_of_exactly_one_chunk_is_whole() {
        let mut line = vec![b'x'; CHUNK];
        line.push(b'\n');
        let lines = frame([&line[..]]);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].1, LinePart::Whole);
    }

    fn marked() -> String {
        format!("\x1e{};", LineMark::new(7).nonce())
    }

    #[test]
    fn a_mark_begins_a_line() {
        let mark = &marked();
        let (begin, end) = mark.split_at(9);
        check(&["no end", mark, "b\n"], &["no end", &format!("{mark}b")]);
        check(&[&format!("a{begin}"), end], &["a", mark]);
        check(&[&format!("{mark}{mark}\n")], &[mark, mark]);
        check(&[&format!("{begin}\n{end}\n")], &[begin, end]);
    }

    #[test]
    fn a_mark_is_never_split() {
        let mark = marked();
        for before in CHUNK - mark.len() - 1..CHUNK + 2 {
            let line = format!("{}{mark}x\n", "y".repeat(before));
            let lines = frame(line.as_bytes().chunks(8192));
            let (bytes, part) = lines.last().unwrap();
            let last = format!("{mark}x").into_bytes();
            assert_eq!((bytes, *part), (&last, LinePart::Whole), "{before}");
            assert_eq!(lines, frame([line.as_bytes()]), "{before}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lines_do_not_depend_on_reads(
            lines in prop::collection::vec(prop_oneof![
                8 => prop::collection::vec(any::<u8>(), 0..80),
                2 => "[ab]{0,3}".prop_map(|text| text.replace('b', &marked()).into_bytes()),
                1 => (CHUNK - 30..CHUNK + 3).prop_map(|size| ("y".repeat(size) + &marked()).into_bytes()),
                1 => (CHUNK - 2..CHUNK + 3).prop_map(|size| "é".repeat(size / 2 + 1).into_bytes()),
            ], 0..12),
            size in prop_oneof![1usize..50, 4000usize..400_000],
        ) {
            let bytes = lines.join(&b'\n');
            let whole = frame([&bytes[..]]);
            prop_assert_eq!(&whole, &frame(bytes.chunks(size)));
            // Only line ends are missing.
            let mut joined = Vec::new();
            for (chunk, part) in &whole {
                joined.extend_from_slice(chunk);
                if matches!(part, LinePart::Whole | LinePart::Last) { joined.push(b'\n'); }
            }
            let strip = |bytes: &[u8]| bytes.iter().copied().filter(|b| !b"\r\n".contains(b)).collect::<Vec<_>>();
            prop_assert_eq!(strip(&joined), strip(&bytes));
        }
    }
}
