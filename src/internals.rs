//! What tests, benchmarks and fuzz targets use of the inside. It is no interface: it may change with any commit.
//!
//! Everything else in this crate is private, so that the compiler finds what nothing uses and what has no comment.

/// Reading config.json.
pub mod config {
    pub use crate::config::problem;
    pub use crate::config::{Config, load};
}

/// Properties of the host, as values and as found.
pub mod host {
    pub use crate::host::Host;
    pub use crate::host::programs;
}

/// The plan and its explanation.
pub mod plan {
    pub use crate::plan::{Plan, PlanInput, StaticFolder, explain, layout, plan};
}

/// The configuration files of nginx and uWSGI.
pub mod render {
    pub use crate::render::{Rendered, quote, render};
}

/// The log, and its pure parts one by one.
pub mod logs {
    pub use crate::logs::{
        AccessFilter, Format, LogOptions, Logs, OnFull, Source, lines, queue, record, start,
        writing,
    };
}

/// Running programs and futures.
pub mod sys {
    pub use crate::sys::{runtime, short_programs};
}
