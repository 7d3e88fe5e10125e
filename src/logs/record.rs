//! What a record is: where it came from, how grave it is, what it says.

use super::origin::Origin;

/// The part that wrote a line.
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
    /// What the application prints.
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

    /// The sources that have a pipe.
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

/// How grave a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A decision, for those who look for a fault.
    Debug,
    /// The normal course.
    Info,
    /// Someone may have to act.
    Warn,
    /// Someone has to act.
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

/// One record on its way to be written; the renderer knows its source. All bytes are as the part wrote them.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Microseconds since 1970, UTC.
    pub at: u64,
    /// How grave it is.
    pub level: Level,
    /// What it says; may hold line ends when several lines are one record.
    pub message: &'a [u8],
    /// The request and process it belongs to.
    pub origin: Origin<'a>,
    /// What only some sources know.
    pub detail: Detail<'a>,
}

/// What only some sources know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail<'a> {
    /// Nothing more.
    #[default]
    None,
    /// nginx's own word for the level, which tells `notice` from `info` and `emerg` from `error`.
    Severity(&'static str),
    /// The number of a uWSGI worker.
    Worker(u32),
    /// Fields as JSON members, `"key":value,"key":value`, made by the launcher itself.
    Fields(&'a [u8]),
}
