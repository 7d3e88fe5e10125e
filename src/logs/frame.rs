//! Reads of any size become lines. Pure.
//!
//! A line that is whole within a read is handed on where it lies; only what is cut by the end of a
//! read is copied. So how the bytes were cut into reads never shows in the lines.
//!
//! A line also begins with a [`Mark`], wherever it stands: what somebody wrote before it and did not
//! end is a line of its own.

use super::{escape::boundary, origin::Mark};

/// The longest line that is kept whole in memory. Longer ones are handed on in pieces of this size,
/// so that a program which never ends its line costs no more than this.
pub const PIECE: usize = 256 * 1024;

/// Which part of its line a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The first of several.
    First,
    /// Neither the first nor the last.
    Middle,
    /// The last of several.
    Last,
}

/// A line, or a piece of one, without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// What it holds.
    pub bytes: &'a [u8],
    /// Which part of the line that is.
    pub part: Part,
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Framer {
    /// The beginning of a line whose end has not been read yet.
    carry: Vec<u8>,
    /// Pieces of that line were handed on already.
    cut: bool,
    /// What begins a line where none has ended.
    mark: Option<Mark>,
}

impl Framer {
    /// For a stream in which lines may begin with `mark`.
    pub fn with(mark: Option<Mark>) -> Self {
        Self {
            mark,
            ..Self::default()
        }
    }

    /// Takes the bytes of one read and hands on every line that they complete.
    pub fn feed(&mut self, mut chunk: &[u8], mut each: impl FnMut(Line<'_>)) {
        if !self.carry.is_empty() || self.cut {
            let end = memchr::memchr(b'\n', chunk);
            self.carry
                .extend_from_slice(&chunk[..end.unwrap_or(chunk.len())]);
            let Some(end) = end else {
                self.shed(Mark::LEN, &mut each);
                return;
            };
            self.end(&mut each);
            chunk = &chunk[end + 1..];
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            let line = &chunk[start..end];
            start = end + 1;
            if line.len() <= PIECE && self.inner_mark(line).is_none() {
                each(Line {
                    bytes: without_return(line),
                    part: Part::Whole,
                });
            } else {
                self.carry.extend_from_slice(line);
                self.end(&mut each);
            }
        }
        self.carry.extend_from_slice(&chunk[start..]);
        self.shed(Mark::LEN, &mut each);
    }

    /// Hands on a line that nobody ended, as if it had been.
    pub fn flush(&mut self, mut each: impl FnMut(Line<'_>)) {
        if self.is_pending() {
            self.end(&mut each);
        }
    }

    /// Whether a line was begun and not ended.
    pub fn is_pending(&self) -> bool {
        !self.carry.is_empty() || self.cut
    }

    /// Hands on pieces until what is kept is no longer than one, and `more`: a mark that begins
    /// within a piece must be there as a whole, or it could not be told from text.
    fn shed(&mut self, more: usize, each: &mut impl FnMut(Line<'_>)) {
        let mut start = 0;
        while self.carry.len() - start > PIECE + more {
            let rest = &self.carry[start..];
            let seen = &rest[..rest.len().min(PIECE + Mark::LEN)];
            let (piece, part) = match self.inner_mark(seen) {
                Some(mark) => (&rest[..mark], self.last()),
                None if self.cut => (&rest[..boundary(rest, PIECE)], Part::Middle),
                None => (&rest[..boundary(rest, PIECE)], Part::First),
            };
            self.cut = matches!(part, Part::First | Part::Middle);
            start += piece.len();
            each(Line { bytes: piece, part });
        }
        self.carry.drain(..start);
    }

    /// Hands on all that is kept: the line has ended.
    fn end(&mut self, each: &mut impl FnMut(Line<'_>)) {
        self.shed(0, each);
        let mut start = 0;
        while let Some(mark) = self.inner_mark(&self.carry[start..]) {
            each(Line {
                bytes: &self.carry[start..start + mark],
                part: self.last(),
            });
            self.cut = false;
            start += mark;
        }
        each(Line {
            bytes: without_return(&self.carry[start..]),
            part: self.last(),
        });
        self.carry.clear();
        self.cut = false;
    }

    /// Where in a line another begins.
    fn inner_mark(&self, line: &[u8]) -> Option<usize> {
        self.mark?.find(line, usize::from(!self.cut))
    }

    fn last(&self) -> Part {
        if self.cut { Part::Last } else { Part::Whole }
    }
}

/// A line end written as `\r\n` is a line end.
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::{Framer, Line, Mark, PIECE, Part};
    use proptest::prelude::*;

    fn frame<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, Part)> {
        let mut framer = Framer::with(Some(Mark::new(7)));
        let mut lines = Vec::new();
        let mut keep = |line: Line<'_>| lines.push((line.bytes.to_vec(), line.part));
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
            .map(|line| (line.as_bytes().to_vec(), Part::Whole))
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
    fn a_line_without_end_comes_in_pieces() {
        let long = vec![b'x'; 2 * PIECE + 10];
        let lines = frame([&long[..], b"\nnext\n"]);
        let shape: Vec<_> = lines
            .iter()
            .map(|(bytes, part)| (bytes.len(), *part))
            .collect();
        assert_eq!(
            shape,
            [
                (PIECE, Part::First),
                (PIECE, Part::Middle),
                (10, Part::Last),
                (4, Part::Whole)
            ]
        );
    }

    #[test]
    fn a_line_of_exactly_one_piece_is_whole() {
        let mut line = vec![b'x'; PIECE];
        line.push(b'\n');
        let lines = frame([&line[..]]);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].1, Part::Whole);
    }

    fn marked() -> String {
        format!("\x1e{};", Mark::new(7).nonce())
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
    fn a_mark_is_never_cut() {
        let mark = marked();
        for before in PIECE - mark.len() - 1..PIECE + 2 {
            let line = format!("{}{mark}x\n", "y".repeat(before));
            let lines = frame(line.as_bytes().chunks(8192));
            let (bytes, part) = lines.last().unwrap();
            let last = format!("{mark}x").into_bytes();
            assert_eq!((bytes, *part), (&last, Part::Whole), "{before}");
            assert_eq!(lines, frame([line.as_bytes()]), "{before}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn how_the_bytes_were_read_never_shows(
            lines in prop::collection::vec(prop_oneof![
                8 => prop::collection::vec(any::<u8>(), 0..80),
                2 => "[ab]{0,3}".prop_map(|text| text.replace('b', &marked()).into_bytes()),
                1 => (PIECE - 30..PIECE + 3).prop_map(|size| ("y".repeat(size) + &marked()).into_bytes()),
                1 => (PIECE - 2..PIECE + 3).prop_map(|size| "é".repeat(size / 2 + 1).into_bytes()),
            ], 0..12),
            size in prop_oneof![1usize..50, 4000usize..400_000],
        ) {
            let bytes = lines.join(&b'\n');
            let whole = frame([&bytes[..]]);
            prop_assert_eq!(&whole, &frame(bytes.chunks(size)));
            // And nothing is lost but line ends.
            let mut joined = Vec::new();
            for (piece, part) in &whole {
                joined.extend_from_slice(piece);
                if matches!(part, Part::Whole | Part::Last) { joined.push(b'\n'); }
            }
            let strip = |bytes: &[u8]| bytes.iter().copied().filter(|b| !b"\r\n".contains(b)).collect::<Vec<_>>();
            prop_assert_eq!(strip(&joined), strip(&bytes));
        }
    }
}
