//! The vocabulary of the log: where a record came from, its level, its text. Pure.

use std::time::Duration;

use super::options::AccessFilter;

/// The stream that a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The launcher's own events; the only source without a pipe.
    Launcher,
    /// nginx's access log.
    NginxAccess,
    /// nginx's error log.
    NginxError,
    /// uWSGI's own messages.
    Uwsgi,
    /// What the application prints to stdout.
    AppStdout,
    /// What the application writes to stderr: its logging, its tracebacks.
    AppStderr,
}

impl Source {
    /// Every source, in the order of [`Source::index`].
    pub const ALL: [Self; 6] = [
        Self::Launcher,
        Self::NginxAccess,
        Self::NginxError,
        Self::Uwsgi,
        Self::AppStdout,
        Self::AppStderr,
    ];

    /// The sources that are read from a pipe.
    pub const PIPED: [Self; 5] = [
        Self::NginxAccess,
        Self::NginxError,
        Self::Uwsgi,
        Self::AppStdout,
        Self::AppStderr,
    ];

    /// The name in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Launcher => "launcher",
            Self::NginxAccess => "nginx.access",
            Self::NginxError => "nginx.error",
            Self::Uwsgi => "uwsgi",
            Self::AppStdout => "app.stdout",
            Self::AppStderr => "app.stderr",
        }
    }

    /// The place in [`Source::ALL`], for tables by source.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The severity of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A decision, for finding a fault.
    Debug,
    /// Normal operation.
    Info,
    /// An operator may have to act.
    Warn,
    /// An operator has to act.
    Error,
}

impl Level {
    /// The name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One record before it is rendered; the renderer knows its source. All bytes are unescaped.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Microseconds since 1970, UTC.
    pub at: u64,
    /// The severity.
    pub level: Level,
    /// The text; it contains line ends when several lines are one record.
    pub message: &'a [u8],
    /// The request and process it belongs to.
    pub origin: Origin<'a>,
    /// What only some sources know.
    pub detail: Detail<'a>,
}

/// The request and the process that a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin<'a> {
    /// Letters, digits and `._-`, so it needs no escape anywhere; empty when there is none.
    pub request_id: &'a str,
    /// W3C's trace id, 32 digits of lower-case hex; empty when there is none.
    pub trace_id: &'a str,
    /// The process, when it is known.
    pub pid: Option<u32>,
    /// More lines of the same record follow.
    pub more: bool,
}

/// What only some sources know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail<'a> {
    /// Nothing more.
    #[default]
    None,
    /// nginx's own name of the level, which distinguishes `notice` from `info` and `emerg` from `error`.
    Severity(&'static str),
    /// The number of a uWSGI worker.
    Worker(u32),
    /// Fields of the launcher's own record as JSON members: `"key":value,"key":value`.
    Fields(&'a [u8]),
}

/// Why the product itself has refused a request, as the access record's `reason` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShedCause {
    /// As many requests were waiting as may wait.
    QueueFull,
    /// It has waited for a slot for too long.
    QueueTimeout,
    /// Its client was too slow.
    TooSlow,
    /// Its client had too many connections.
    TooManyConnections,
    /// There was no room for its body or its response.
    DiskFull,
}

impl ShedCause {
    /// All of them, in the order of [`ShedCause::index`].
    pub const ALL: [Self; 5] = [
        Self::QueueFull,
        Self::QueueTimeout,
        Self::TooSlow,
        Self::TooManyConnections,
        Self::DiskFull,
    ];

    /// A number below the length of [`ShedCause::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::TooSlow => "too_slow",
            Self::TooManyConnections => "too_many_connections",
            Self::DiskFull => "disk_full",
        }
    }

    /// The cause in an access record's reason; none when it is another reason.
    pub fn of(reason: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|cause| cause.as_str().as_bytes() == reason)
    }
}

/// One request as nginx recorded it. Slices are JSON as nginx escaped it, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRecord<'a> {
    /// When the answer was sent, microseconds since 1970.
    pub at: u64,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// From the first byte of the request to the last of the answer, in milliseconds.
    pub duration: u64,
    /// The application's share of that in milliseconds, all attempts together; none when it was not asked.
    pub upstream: Option<u64>,
    /// Of `upstream`, the wait for a free slot, in milliseconds; none when no slot has answered.
    pub queue: Option<u64>,
    /// The number of the worker that has answered.
    pub worker: Option<u32>,
    /// Why the product itself has made the answer, in one word; empty when it is the application's.
    pub reason: &'a [u8],
    /// Whether the worker that had it first has died, and another one has got it.
    pub replayed: bool,
    /// A health check, not a client.
    pub health: bool,
    /// The fields that nginx wrote, with the braces.
    pub object: &'a [u8],
    /// Empty when nginx could not read a method.
    pub method: &'a [u8],
    /// Without the query; empty when nginx could not read a path.
    pub path: &'a [u8],
    /// The client's address.
    pub remote_addr: &'a [u8],
    /// Also on the application's records of this request.
    pub request_id: &'a [u8],
}

impl AccessRecord<'_> {
    /// The time in the application in milliseconds.
    pub fn app(&self) -> Option<u64> {
        Some(self.upstream?.saturating_sub(self.queue?))
    }

    /// An error of the service, a warning about the client, or neither. 499 is a client that did not wait for its answer,
    /// 0 a connection that ended before an answer.
    pub fn level(&self) -> Level {
        match self.status {
            500.. => Level::Error,
            400..=499 | 0 => Level::Warn,
            _ => Level::Info,
        }
    }

    /// Whether the record is kept.
    pub fn is_wanted(&self, filter: AccessFilter) -> bool {
        !self.health
            && match filter {
                AccessFilter::All => true,
                AccessFilter::Off => false,
                AccessFilter::Errors { slow } => {
                    self.level() > Level::Info || Duration::from_millis(self.duration) >= slow
                }
            }
    }
}

/// A moment on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Microseconds since 1970, UTC: shown in records.
    pub wall: u64,
    /// Time since the log began, monotonic: used for every timeout, so that changes of the clock do no harm.
    pub up: Duration,
}

/// What a line says about the life of a worker of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerEvent {
    /// The first process of a worker was started.
    Spawned {
        /// The number of the worker, from 1.
        worker: u32,
        /// The new process.
        pid: i32,
    },
    /// The next process of a worker was started, because the one before has ended.
    Respawned {
        /// The number of the worker.
        worker: u32,
        /// The new process.
        pid: i32,
    },
    /// A process has ended while it served, without having been asked to by uWSGI.
    Died {
        /// The number of the worker.
        worker: u32,
        /// The dead process.
        pid: i32,
        /// The signal that has ended it; none: it has exited.
        signal: Option<i32>,
    },
    /// A process has ended as uWSGI or itself wanted, for example after its last request.
    Left {
        /// The number of the worker.
        worker: u32,
        /// The dead process.
        pid: i32,
    },
    /// uWSGI is about to kill a process that uses more memory than its options allow.
    TooLarge {
        /// The process.
        pid: i32,
    },
    /// A request in this process has run for longer than it may.
    TimedOut {
        /// The process.
        pid: i32,
    },
}
