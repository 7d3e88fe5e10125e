//! All that happens to the bytes of one source, from a read to rendered records. Pure.
//!
//! Time comes in as a value and nothing is awaited, so a test can put any bytes through in any cuts
//! at any moment and look at what comes out.

use std::time::Duration;

use super::{
    AccessFilter, Format, access,
    batch::Batch,
    crash::Crashes,
    frame::{Framer, Line, Part},
    group::{Candidate, Groups, Joined},
    nginx,
    origin::{Mark, Origin},
    python,
    record::{Detail, Level, Record, Source},
    render::{Cut, Renderer},
    uwsgi, worker,
};

/// A line that nobody ends is written after this long.
pub const UNENDED: Duration = Duration::from_secs(1);

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Microseconds since 1970, UTC: what records show.
    pub wall: u64,
    /// Since the log began: what waits are measured by, whatever is done to the clock.
    pub up: Duration,
}

/// The way of one source.
#[derive(Debug)]
pub struct Stage {
    framer: Framer,
    /// When bytes last came.
    fed: Duration,
    lines: Lines,
}

/// What is done with each line.
#[derive(Debug)]
struct Lines {
    source: Source,
    mark: Mark,
    access: AccessFilter,
    groups: Groups,
    crashes: Crashes,
    renderer: Renderer,
    /// For what uWSGI says in the application's name.
    workers: Renderer,
    /// The line that is coming in pieces.
    long: Option<Long>,
}

/// A line of which a part was written.
#[derive(Debug)]
struct Long {
    cut: Cut,
    level: Level,
    request_id: String,
    pid: Option<u32>,
}

impl Stage {
    /// The way of a source that has a pipe; `mark` begins the heads of the application's lines.
    pub fn new(source: Source, format: Format, mark: Mark) -> Self {
        let has_heads = matches!(source, Source::AppStdout | Source::AppStderr);
        Self {
            framer: Framer::with(has_heads.then_some(mark)),
            fed: Duration::ZERO,
            lines: Lines {
                source,
                mark,
                access: AccessFilter::All,
                groups: Groups::default(),
                crashes: Crashes::default(),
                renderer: Renderer::new(format, source),
                workers: Renderer::for_workers(format),
                long: None,
            },
        }
    }

    /// Which access records are carried from now on.
    pub fn set_access(&mut self, access: AccessFilter) {
        self.lines.access = access;
    }

    /// Takes the bytes of a read.
    pub fn feed(&mut self, bytes: &[u8], now: Now, batch: &mut Batch) {
        self.fed = now.up;
        self.framer
            .feed(bytes, |line| self.lines.line(line, now, batch));
    }

    /// Writes what has waited long enough.
    pub fn tick(&mut self, now: Now, batch: &mut Batch) {
        if self.framer.is_pending() && self.fed + UNENDED <= now.up {
            self.framer.flush(|line| self.lines.line(line, now, batch));
        }
        self.lines
            .each_group(batch, |groups, emit| groups.tick(now.up, emit));
    }

    /// Writes all that is left.
    pub fn flush(&mut self, now: Now, batch: &mut Batch) {
        self.framer.flush(|line| self.lines.line(line, now, batch));
        self.lines
            .each_group(batch, |groups, emit| groups.flush(|_| true, emit));
    }

    /// When [`Stage::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        let line = self.framer.is_pending().then(|| self.fed + UNENDED);
        let lines = &self.lines;
        line.into_iter()
            .chain(lines.groups.deadline())
            .chain(lines.crashes.deadline())
            .min()
    }
}

impl Lines {
    /// Does something with what waits, and writes what that hands on.
    fn each_group(
        &mut self,
        batch: &mut Batch,
        act: impl Fn(&mut Groups, &mut dyn FnMut(Joined<'_>)),
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

    fn line(&mut self, line: Line<'_>, now: Now, batch: &mut Batch) {
        match (line.part, self.source) {
            (Part::Whole, Source::NginxAccess) => self.nginx_access(line.bytes, now, batch),
            (Part::Whole, Source::NginxError) => {
                let nginx::Message {
                    level,
                    detail,
                    pid,
                    text,
                } = nginx::parse(line.bytes);
                let origin = Origin {
                    pid,
                    ..Origin::default()
                };
                let text = nginx::without_queries(text);
                let record = Record {
                    at: now.wall,
                    level,
                    message: &text,
                    origin,
                    detail,
                };
                self.renderer.record(&record, batch);
            }
            (Part::Whole, Source::Uwsgi) => self.uwsgi(line.bytes, now, batch),
            (Part::Whole, Source::AppStdout | Source::AppStderr | Source::Launcher) => {
                self.application(line.bytes, now, batch);
            }
            (Part::First | Part::Middle | Part::Last, _) => self.piece(line, now, batch),
        }
    }

    fn nginx_access(&mut self, line: &[u8], now: Now, batch: &mut Batch) {
        if std::str::from_utf8(line).is_err() {
            // nginx passes bytes on as clients sent them.
            let repaired = String::from_utf8_lossy(line).into_owned();
            return self.nginx_access(repaired.as_bytes(), now, batch);
        }
        match access::parse(line) {
            Some(entry) if !entry.is_wanted(self.access) => batch.skipped += 1,
            Some(entry) if self.renderer.access(&entry, batch) => {}
            Some(_) | None => self.renderer.record(&plain(line, now, Level::Info), batch),
        }
    }

    /// A line of uWSGI's, on its own pipe or, from a worker, on the application's.
    fn uwsgi(&mut self, line: &[u8], now: Now, batch: &mut Batch) {
        let line: &[u8] = &uwsgi::without_query(line);
        let candidate = Candidate {
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
        let mut emit = |joined: Joined<'_>| write_joined(renderer, joined, batch);
        if self.crashes.take(candidate, &mut emit)
            || (self.source == Source::Uwsgi && self.groups.take(candidate, emit))
        {
            return;
        }
        let uwsgi::About { level, worker, pid } = uwsgi::about(line);
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

    fn application(&mut self, line: &[u8], now: Now, batch: &mut Batch) {
        let (origin, text) = self.mark.split(line);
        if self.source == Source::AppStderr
            && origin.pid.is_none()
            && (worker::is_own(text) || self.crashes.continues(text))
        {
            return self.uwsgi(text, now, batch);
        }
        let is_object = text.first() == Some(&b'{') && !origin.more;
        let level = if is_object { None } else { python::level(text) };
        let Self {
            groups, renderer, ..
        } = self;
        let candidate = Candidate {
            origin,
            level,
            text,
            at: now.wall,
            up: now.up,
        };
        if groups.take(candidate, |joined| write_joined(renderer, joined, batch)) {
            return;
        }
        if is_object && self.object(origin, text, now, batch) {
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

    /// A line of the application that is a JSON object; false when it is none, or too long.
    fn object(&mut self, origin: Origin<'_>, text: &[u8], now: Now, batch: &mut Batch) -> bool {
        let Some(python::Object {
            object,
            message,
            level,
        }) = python::object(text)
        else {
            return false;
        };
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

    /// A line that is longer than what is kept in memory.
    fn piece(&mut self, line: Line<'_>, now: Now, batch: &mut Batch) {
        let mut text = line.bytes;
        if line.part == Part::First {
            let mut origin = Origin::default();
            if matches!(self.source, Source::AppStdout | Source::AppStderr) {
                (origin, text) = self.mark.split(text);
            }
            let Self {
                groups, renderer, ..
            } = self;
            let ours = |pid| pid == origin.pid;
            groups.flush(ours, |joined| write_joined(renderer, joined, batch));
            self.long = Some(Long {
                cut: renderer.cut(now.wall),
                level: python::level(text).unwrap_or(Level::Info),
                request_id: origin.request_id.to_owned(),
                pid: origin.pid,
            });
        }
        if let Some(long) = &mut self.long {
            let origin = Origin {
                request_id: &long.request_id,
                pid: long.pid,
                more: false,
            };
            let record = Record {
                origin,
                ..plain(text, now, long.level)
            };
            self.renderer
                .pieces(&record, &mut long.cut, line.part == Part::Last, batch);
        }
    }
}

fn write_joined(renderer: &mut Renderer, joined: Joined<'_>, batch: &mut Batch) {
    let record = Record {
        at: joined.at,
        level: joined.level.unwrap_or(Level::Info),
        message: joined.text,
        origin: joined.origin,
        detail: Detail::None,
    };
    renderer.record(&record, batch);
}

fn plain(message: &[u8], now: Now, level: Level) -> Record<'_> {
    Record {
        at: now.wall,
        level,
        message,
        origin: Origin::default(),
        detail: Detail::None,
    }
}
