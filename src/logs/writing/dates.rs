//! The lines with the date in the text format, whose records have only the time of the day. Pure.
//!
//! They are no records: they are put in when records are written to stdout, so none can be dropped or come too early.

use super::stamp::Stamp;
use crate::logs::options::Format;
use crate::logs::queue::batch::Batch;

const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Knows the date of the record that was written last.
#[derive(Debug)]
pub(crate) struct DateLines {
    colour: bool,
    /// None before the first record, and when the last date may not have been written.
    day: Option<u32>,
}

/// Records of one day, one after another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DatedPart<'a> {
    /// The line before them; empty when the records before have the same date.
    pub(crate) date: String,
    /// As in the batch.
    pub(crate) records: &'a [u8],
}

impl DateLines {
    /// None in JSON, where each record has its date.
    pub(crate) fn of(format: Format) -> Option<Self> {
        match format {
            Format::Json => None,
            Format::Text { colour } => Some(Self { colour, day: None }),
        }
    }

    /// The records of a batch with the date before the first of each day.
    pub(crate) fn parts<'a>(&mut self, batch: &'a Batch) -> Vec<DatedPart<'a>> {
        let mut parts: Vec<DatedPart<'a>> = Vec::new();
        let (bytes, mut start, mut end) = (batch.bytes(), 0, 0);
        for (len, record) in batch.records() {
            if self.day != Some(record.day) {
                if let Some(last) = parts.last_mut() {
                    last.records = &bytes[start..end];
                }
                self.day = Some(record.day);
                start = end;
                parts.push(DatedPart {
                    date: self.line(record.day),
                    records: &[],
                });
            } else if parts.is_empty() {
                parts.push(DatedPart {
                    date: String::new(),
                    records: &[],
                });
            }
            end += len;
        }
        if let Some(last) = parts.last_mut() {
            last.records = &bytes[start..end];
        }
        parts
    }

    /// To be called when a date was not written to its end.
    pub(crate) fn forget(&mut self) {
        self.day = None;
    }

    fn line(&self, day: u32) -> String {
        let date = Stamp::date(day);
        if self.colour {
            format!("{DIM}{date} (UTC){RESET}\n")
        } else {
            format!("{date} (UTC)\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DateLines;
    use crate::logs::options::Format;
    use crate::logs::queue::batch::Batch;
    use crate::logs::record::Source;

    fn batch(records: &[(&str, u32)]) -> Batch {
        let mut batch = Batch::default();
        for (text, day) in records {
            batch.buffer().extend_from_slice(text.as_bytes());
            batch.seal(Source::Launcher, *day, false);
        }
        batch
    }

    #[track_caller]
    fn check(dates: &mut DateLines, records: &[(&str, u32)], expected: &[(&str, &str)]) {
        let mut batch = batch(&[&[("gone\n", 9)], records].concat());
        // What was dropped has no date.
        batch.shift();
        let seen: Vec<_> = dates
            .parts(&batch)
            .into_iter()
            .map(|part| {
                (
                    part.date,
                    String::from_utf8_lossy(part.records).into_owned(),
                )
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|&(date, records)| (date.to_owned(), records.to_owned()))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn each_day_begins_with_its_date() {
        let dates = &mut DateLines::of(Format::Text { colour: false }).unwrap();
        check(dates, &[], &[]);
        check(
            dates,
            &[("a\n", 0), ("b\n", 0)],
            &[("1970-01-01 (UTC)\n", "a\nb\n")],
        );
        // A record of several lines has the time of its first one, so it may follow later ones.
        check(
            dates,
            &[("c\n", 0), ("d\n", 1), ("e\n", 1), ("f\n", 0)],
            &[
                ("", "c\n"),
                ("1970-01-02 (UTC)\n", "d\ne\n"),
                ("1970-01-01 (UTC)\n", "f\n"),
            ],
        );
        dates.forget();
        check(dates, &[("g\n", 0)], &[("1970-01-01 (UTC)\n", "g\n")]);
    }

    #[test]
    fn colours_and_json() {
        let dates = &mut DateLines::of(Format::Text { colour: true }).unwrap();
        check(
            dates,
            &[("a\n", 365)],
            &[("\x1b[2m1971-01-01 (UTC)\x1b[0m\n", "a\n")],
        );
        assert!(DateLines::of(Format::Json).is_none());
    }
}
