//! uWSGI: runs the application in several Python processes.
//!
//! `child` is its plan, `application` what the supervisor asks of it. `stats` reads its statistics (`stats_json` parses
//! them, `worker` is what leaves them), `protocol` sends requests by the uwsgi protocol, `health` asks the health path.
//! `watchdog` watches it: `ages` counts how old requests are, `progress` tells saturation from death, `leftovers` finds
//! what an import left open.

mod ages;
mod application;
pub(crate) mod child;
mod health;
mod leftovers;
mod progress;
mod protocol;
mod stats;
mod stats_json;
mod watchdog;
mod worker;
