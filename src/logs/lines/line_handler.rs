//! How the lines of one source become records: each line by the rules of its source. Pure.

use std::time::Duration;

use super::{
    crash::Crashes,
    frame::{FramedLine, LinePart},
    grouping::{CandidateLine, JoinedRecord, RecordGroups},
    nginx_access, nginx_error,
    origin::LineMark,
    python,
    repeats::Repeats,
    simple::{plain, write_joined},
    uwsgi, uwsgi_worker, worker_events,
};
use crate::logs::options::{AccessFilter, Format};
use crate::logs::queue::batch::Batch;
use crate::logs::record::{Detail, Level, Moment, Origin, Record, ShedCause, Source};
use crate::logs::writing::chunk::ChunkSeries;
use crate::logs::writing::renderer::Renderer;

/// From this duration on, in milliseconds, a request is slow: its client notices.
const SLOW: u64 = 1000;

/// The lines of one source.
#[derive(Debug)]
pub(super) struct LineHandler {
    source: Source,
    mark: LineMark,
    access: AccessFilter,
    groups: RecordGroups,
    crashes: Crashes,
    renderer: Renderer,
    /// For uWSGI's lines on the application's stderr.
    workers: Renderer,
    /// nginx writes such a line for each connection that it drops when it has none left.
    no_connections: Repeats,
    /// The line that is coming in chunks.
    long: Option<LongLine>,
}

/// A line whose first chunks were written.
#[derive(Debug)]
struct LongLine {
    chunks: ChunkSeries,
    level: Level,
    request_id: String,
    trace_id: String,
    pid: Option<u32>,
}

impl LineHandler {
    pub(super) fn new(source: Source, format: Format, mark: LineMark) -> Self {
        Self {
            source,
            mark,
            access: AccessFilter::All,
            groups: RecordGroups::default(),
            crashes: Crashes::default(),
            renderer: Renderer::new(format, source),
            workers: Renderer::for_workers(format),
            no_connections: Repeats::default(),
            long: None,
        }
    }

    /// Leaves records below `least` out.
    pub(super) fn set_level(&mut self, least: Level) {
        self.renderer.set_level(least);
        self.workers.set_level(least);
    }

    pub(super) fn set_access(&mut self, filter: AccessFilter) {
        self.access = filter;
    }

    /// Writes the incomplete records whose timeout is over.
    pub(super) fn tick(&mut self, now: Moment, batch: &mut Batch) {
        self.each_group(batch, |groups, emit| groups.tick(now.up, emit));
    }

    /// Writes the incomplete records.
    pub(super) fn flush(&mut self, batch: &mut Batch) {
        self.each_group(batch, |groups, emit| groups.flush(|_| true, emit));
    }

    /// The earliest time for [`LineHandler::tick`] to write something.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let groups = self.groups.deadline();
        groups.into_iter().chain(self.crashes.deadline()).min()
    }

    /// Applies `act` to all incomplete records and writes those that it passes on.
    fn each_group(
        &mut self,
        batch: &mut Batch,
        act: impl Fn(&mut RecordGroups, &mut dyn FnMut(JoinedRecord<'_>)),
    ) {
        let renderer = &mut self.renderer;
        act(&mut self.groups, &mut |joined| {
            write_joined(renderer, joined, batch);
        });
        let renderer = if self.source == Source::Uwsgi {
            renderer
        } else {
            &mut self.workers
        };
        act(self.crashes.groups(), &mut |joined| {
            write_joined(renderer, joined, batch);
        });
    }

    /// Handles a line or a chunk of one; `now` is when it was read.
    pub(super) fn line(&mut self, line: FramedLine<'_>, now: Moment, batch: &mut Batch) {
        match (line.part, self.source) {
            (LinePart::Whole, Source::NginxAccess) => self.nginx_access(line.bytes, now, batch),
            (LinePart::Whole, Source::NginxError) => self.nginx_error(line.bytes, now, batch),
            (LinePart::Whole, Source::Uwsgi) => self.uwsgi(line.bytes, now, batch),
            (LinePart::Whole, Source::AppStdout | Source::AppStderr | Source::Launcher) => {
                self.application(line.bytes, now, batch);
            }
            (LinePart::First | LinePart::Middle | LinePart::Last, _) => {
                self.chunk(line, now, batch);
            }
        }
    }

    fn nginx_error(&mut self, line: &[u8], now: Moment, batch: &mut Batch) {
        let nginx_error::ErrorLine {
            level,
            detail,
            pid,
            text,
        } = nginx_error::parse(line);
        if nginx_error::is_full_queue(text) {
            return;
        }
        batch.observed.cut += u64::from(nginx_error::is_cut_response(text));
        let mut text = nginx_error::without_queries(text);
        if nginx_error::is_out_of_connections(&text) {
            match self.no_connections.take(now.up) {
                None => return,
                Some(0) => {}
                Some(more) => text
                    .to_mut()
                    .extend_from_slice(format!(" ({more} more such lines before)").as_bytes()),
            }
        }
        if let Some(hint) = nginx_error::hint(&text) {
            text.to_mut().extend_from_slice(b"; hint: ");
            text.to_mut().extend_from_slice(hint.as_bytes());
        }
        let origin = Origin {
            pid,
            ..Origin::default()
        };
        let record = Record {
            at: now.wall,
            level,
            message: &text,
            origin,
            detail,
        };
        self.renderer.record(&record, batch);
    }

    fn nginx_access(&mut self, line: &[u8], now: Moment, batch: &mut Batch) {
        if std::str::from_utf8(line).is_err() {
            // nginx copies bytes that clients sent, whatever they are.
            let repaired = String::from_utf8_lossy(line).into_owned();
            return self.nginx_access(repaired.as_bytes(), now, batch);
        }
        let record = nginx_access::parse(line);
        let cause = record
            .as_ref()
            .and_then(|record| ShedCause::of(record.reason));
        if let Some(cause) = cause {
            batch.shed[cause.index()] += 1;
        }
        if let Some(record) = record.as_ref().filter(|record| !record.health) {
            batch.observed.request(record, SLOW);
        }
        match record {
            Some(record) if !record.is_wanted(self.access) => batch.skip(self.source),
            Some(record) if self.renderer.access(&record, batch) => {}
            Some(_) | None => self.renderer.record(&plain(line, now, Level::Info), batch),
        }
    }

    /// A line of uWSGI, on its own pipe or, from a worker, on the application's.
    fn uwsgi(&mut self, line: &[u8], now: Moment, batch: &mut Batch) {
        let line: &[u8] = &uwsgi::without_query(line);
        if self.source == Source::Uwsgi {
            batch.workers.extend(worker_events::of_master(line));
        }
        let candidate = CandidateLine {
            origin: Origin::default(),
            level: None,
            text: line,
            at: now.wall,
            up: now.up,
        };
        let renderer = if self.source == Source::Uwsgi {
            &mut self.renderer
        } else {
            &mut self.workers
        };
        let mut emit = |joined: JoinedRecord<'_>| write_joined(renderer, joined, batch);
        if self.crashes.take(candidate, &mut emit)
            || (self.source == Source::Uwsgi && self.groups.take(candidate, emit))
        {
            return;
        }
        let uwsgi::UwsgiLine { level, worker, pid } = uwsgi::parse(line);
        let origin = Origin {
            pid,
            ..Origin::default()
        };
        let detail = worker.map_or(Detail::None, Detail::Worker);
        renderer.record(
            &Record {
                origin,
                detail,
                ..plain(line, now, level)
            },
            batch,
        );
    }

    fn application(&mut self, line: &[u8], now: Moment, batch: &mut Batch) {
        let (origin, text) = self.mark.split(line);
        if self.source == Source::AppStderr
            && origin.pid.is_none()
            && (uwsgi_worker::is_own(text) || self.crashes.continues(text))
        {
            return self.uwsgi(text, now, batch);
        }
        let is_object = text.first() == Some(&b'{') && !origin.more;
        let level = if is_object { None } else { python::level(text) };
        let Self {
            groups, renderer, ..
        } = self;
        let candidate = CandidateLine {
            origin,
            level,
            text,
            at: now.wall,
            up: now.up,
        };
        if groups.take(candidate, |joined| write_joined(renderer, joined, batch)) {
            return;
        }
        if is_object && self.json(origin, text, now, batch) {
            return;
        }
        let level = level.unwrap_or(Level::Info);
        self.renderer.record(
            &Record {
                origin,
                ..plain(text, now, level)
            },
            batch,
        );
    }

    /// A line of the application that is a JSON object; false when it is none, or too long for one record.
    fn json(&mut self, origin: Origin<'_>, text: &[u8], now: Moment, batch: &mut Batch) -> bool {
        let Some(python::JsonLine {
            object,
            message,
            level,
        }) = python::json_line(text)
        else {
            return false;
        };
        batch
            .workers
            .extend(worker_events::of_entry_module(message, origin.pid));
        let record = Record {
            origin,
            ..plain(message, now, level.unwrap_or(Level::Info))
        };
        self.renderer.object(&record, object, batch)
            || (!message.is_empty()
                && self.renderer.object(
                    &Record {
                        message: b"",
                        ..record
                    },
                    object,
                    batch,
                ))
    }

    /// A chunk of a line that is too long to be kept in memory.
    fn chunk(&mut self, line: FramedLine<'_>, now: Moment, batch: &mut Batch) {
        let mut text = line.bytes;
        if line.part == LinePart::First {
            let mut origin = Origin::default();
            if matches!(self.source, Source::AppStdout | Source::AppStderr) {
                (origin, text) = self.mark.split(text);
            }
            let Self {
                groups, renderer, ..
            } = self;
            let ours = |pid| pid == origin.pid;
            groups.flush(ours, |joined| write_joined(renderer, joined, batch));
            self.long = Some(LongLine {
                chunks: renderer.begin_chunks(now.wall),
                level: python::level(text).unwrap_or(Level::Info),
                request_id: origin.request_id.to_owned(),
                trace_id: origin.trace_id.to_owned(),
                pid: origin.pid,
            });
        }
        if let Some(long) = &mut self.long {
            let origin = Origin {
                request_id: &long.request_id,
                trace_id: &long.trace_id,
                pid: long.pid,
                more: false,
            };
            let record = Record {
                origin,
                ..plain(text, now, long.level)
            };
            self.renderer.chunks(
                &record,
                &mut long.chunks,
                line.part == LinePart::Last,
                batch,
            );
        }
    }
}
