//! uWSGI: runs the application in several Python processes.
//!
//! `child` is its plan, `application` implements the supervisor's trait. `stats` reads its statistics (`stats_json`
//! parses them into values of `worker`, `reading` keeps the last answer), `protocol` sends requests past nginx, `health` checks the health
//! path. `watchdog` is the only one that asks for them while it serves: `ages` measures the ages of requests, `progress` distinguishes a saturated
//! application from a hung one, `deaths` notices the ends of workers, `leftovers` finds what the import left open.

mod ages;
mod application;
pub(crate) mod child;
mod deaths;
mod health;
pub(crate) mod import_test;
pub(crate) mod leftovers;
mod progress;
pub(crate) mod protocol;
pub(crate) mod reading;
mod stats;
pub(crate) mod stats_json;
mod watchdog;
mod wishes;
pub(crate) mod worker;
