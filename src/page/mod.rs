//! The status as a page of HTML: for a browser, without and with a script.
//!
//! ```text
//! report ─► [`StatusPage`] ─► document    everything that is known, readable without a script
//!                          └► parts       the same blocks of the template, each with its id: what the script puts in place
//! ```
//!
//! The templates are in page/ at the top of the repository. Everything that stands in the page goes through `escaper`, and
//! [`POLICY`] lets a browser run and load nothing but what the page itself has. Which reports a client may see, and when it
//! gets the next, is decided in [`crate::control`]. `cells` has what stands in one place.
#![forbid(unsafe_code)]

mod cells;
mod escaper;

use std::cmp::Reverse;

use askama::Template;

use crate::status::verdict::{self, Verdict, VerdictLevel};
use crate::status::{RequestStatus, StatusReport, WindowStatus, WorkerStatus, words};

/// Rows of requests and of workers, so that the page stays readable and small.
const MOST_REQUESTS: usize = 50;
const MOST_WORKERS: usize = 100;

const SCRIPT: &str = include_str!("../../page/page.js");
const STYLE: &str = include_str!("../../page/page.css");

/// The Content-Security-Policy of the page: its own script and style, known by their SHA-256, and events from where the page
/// comes from; nothing else. After a change to one of them a test says the new hash.
pub(crate) const POLICY: &str = "default-src 'none'; \
     script-src 'sha256-hPLS68PKV5ZaBWk3mF3yvIu0foW9PFSaip5mkxU2d0A='; \
     style-src 'sha256-J/lb6nKYrw0TMDiraiYt7Z+BLs5nHVDcasN89leq19s='; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the template is filled with.
#[derive(Template)]
#[template(
    path = "status.html",
    config = "src/page/askama.toml",
    blocks = [
        "now", "verdict", "figures", "requests", "warnings", "latency", "workers", "errors", "slow", "events", "counts",
        "reloads", "machine",
    ]
)]
pub(crate) struct StatusPage<'a> {
    report: &'a StatusReport,
    verdict: Verdict,
    busy: usize,
    slots: usize,
    /// Requests in the application, the oldest first.
    serving: Vec<(&'a WorkerStatus, &'a RequestStatus)>,
}

impl<'a> StatusPage<'a> {
    pub(crate) fn new(report: &'a StatusReport) -> Self {
        let requests = |worker: &'a WorkerStatus| {
            let requests = worker.serving.iter();
            requests.map(move |request| (worker, request))
        };
        let mut serving: Vec<_> = report.workers.iter().flat_map(requests).collect();
        serving.sort_by_key(|(_, request)| Reverse(request.seconds));
        Self {
            report,
            verdict: verdict::verdict(report),
            busy: verdict::busy(report),
            slots: verdict::slots(report),
            serving,
        }
    }

    /// The whole page.
    pub(crate) fn document(&self) -> Result<String, askama::Error> {
        self.render()
    }

    /// Each part that changes: the id of its element, and the content.
    pub(crate) fn parts(&self) -> Result<[(&'static str, String); 13], askama::Error> {
        Ok([
            ("now", self.as_now().render()?),
            ("verdict", self.as_verdict().render()?),
            ("figures", self.as_figures().render()?),
            ("requests", self.as_requests().render()?),
            ("warnings", self.as_warnings().render()?),
            ("latency", self.as_latency().render()?),
            ("workers", self.as_workers().render()?),
            ("errors", self.as_errors().render()?),
            ("slow", self.as_slow().render()?),
            ("events", self.as_events().render()?),
            ("counts", self.as_counts().render()?),
            ("reloads", self.as_reloads().render()?),
            ("machine", self.as_machine().render()?),
        ])
    }

    /// How much of the bar of the slots is filled.
    fn slots_bar(&self) -> f64 {
        cells::filled(self.busy as u64, self.slots as u64)
    }

    fn memory_bar(&self) -> f64 {
        let memory = &self.report.resources;
        let limit = memory.memory_limit_bytes.unwrap_or_default();
        cells::filled(memory.memory_working_set_bytes.unwrap_or_default(), limit)
    }

    /// The spans of time of which figures are known.
    fn windows(&self) -> [(&'static str, &'a WindowStatus); 3] {
        let traffic = &self.report.traffic;
        [
            ("1 minute", &traffic.last_minute),
            ("5 minutes", &traffic.last_5_minutes),
            ("Since start", &traffic.since_start),
        ]
    }

    fn level(&self) -> &'static str {
        match self.verdict.level {
            VerdictLevel::Well => "well",
            VerdictLevel::Busy => "busy",
            VerdictLevel::Trouble => "trouble",
            VerdictLevel::Down => "down",
        }
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
