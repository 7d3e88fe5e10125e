//! The thread that writes to stdout, the only one that may wait for it.

use super::{shared::Shared, shared_queue::NextWrite, stdout::StdoutWriter};
use crate::logs::options::Format;
use crate::logs::queue::batch::Batch;
use crate::logs::queue::counters::RecordCount;
use crate::logs::queue::dropped::DroppedRecords;
use crate::logs::record::{Level, Source};
use crate::logs::writing::dates::{DateLines, DatedPart};
use crate::logs::writing::own_record;
use crate::logs::writing::renderer::Renderer;
use crate::logs::writing::stamp::Stamp;

/// Writes until there will be no more records.
pub(super) fn run(shared: &Shared, stdout: &StdoutWriter, format: Format) {
    let mut renderer = Renderer::new(format, Source::Launcher);
    let mut output = Output {
        stdout,
        dates: DateLines::of(format),
    };
    while let Some(NextWrite { dropped, batch }) = shared.queue.next() {
        let reported =
            dropped.is_none_or(|dropped| report(shared, &mut output, &mut renderer, dropped));
        if !reported && batch.count() == 0 {
            // The end, and the notice cannot be written.
            break;
        }
        let written = output.write(&batch);
        shared.queue.settle(batch, written, shared.clock.now().wall);
    }
    shared.queue.finish_writing(shared.clock.now().wall);
}

/// stdout, and the dates between the records of the text format.
struct Output<'a> {
    stdout: &'a StdoutWriter,
    dates: Option<DateLines>,
}

impl Output<'_> {
    /// Returns how many bytes of the batch were written.
    fn write(&mut self, batch: &Batch) -> usize {
        let Some(dates) = &mut self.dates else {
            return self.stdout.write(batch.bytes());
        };
        let mut written = 0;
        for DatedPart { date, records } in dates.parts(batch) {
            if self.stdout.write(date.as_bytes()) < date.len() {
                dates.forget();
                break;
            }
            let count = self.stdout.write(records);
            written += count;
            if count < records.len() {
                dates.forget();
                break;
            }
        }
        written
    }
}

/// Writes a notice where records are missing; false when it could not be written.
fn report(
    shared: &Shared,
    output: &mut Output<'_>,
    renderer: &mut Renderer,
    dropped: DroppedRecords,
) -> bool {
    let now = shared.clock.now().wall;
    let RecordCount { lines, bytes } = dropped.total();
    let mut since = Stamp::new();
    since.set(dropped.since);
    let message =
        format!("Dropped {lines} log lines ({bytes} bytes), because stdout was not read.");
    let mut fields = vec![
        ("event", "log_dropped".into()),
        ("lines", lines.into()),
        ("bytes", bytes.into()),
        ("since", String::from_utf8_lossy(since.micros()).into()),
    ];
    for source in Source::ALL {
        let RecordCount { lines, .. } = dropped.sources[source.index()];
        if lines > 0 {
            fields.push((source.as_str(), lines.into()));
        }
    }
    let mut batch = Batch::default();
    own_record::render(renderer, now, Level::Warn, &message, &fields, &mut batch);
    shared.queue.admit(&batch);
    let written = output.write(&batch);
    let reported = written == batch.bytes().len();
    if !reported {
        shared.queue.restore_dropped(dropped);
    }
    shared.queue.settle(batch, written, now);
    reported
}
