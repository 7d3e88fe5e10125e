//! The internal items that tests, benchmarks and fuzz targets use. This is not an interface: it may change with any
//! commit.
//!
//! Everything else in this crate is private, so that the compiler reports unused and undocumented items.

pub mod bytes;
pub mod control;

/// Reading config.json.
pub mod config {
    pub use crate::config::problem;
    pub use crate::config::{Config, load};

    /// The JSON Schema of config.json, as JSON.
    pub fn schema() -> String {
        crate::config::schema::schema().to_value().to_string()
    }
}

/// Properties of the host, and the search for programs on it.
pub mod host {
    pub use crate::host::Host;
    pub use crate::host::programs;
    pub use crate::host::sandbox::SandboxHost;
    pub use crate::host::venv::{Venv, VenvOrigin};
}

/// The plan and its explanation.
pub mod plan {
    pub use crate::plan::{Plan, PlanInput, StaticFolder, explain, layout, plan};
}

/// The configuration files of nginx and uWSGI.
pub mod render {
    pub use crate::render::{Rendered, quote, render};
}

/// The log, and its pure modules one by one.
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
