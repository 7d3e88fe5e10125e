//! `healthcheck`: whether the running service passes, warns or fails.

use std::time::Duration;

use hyper::Method;

use super::harmless;
use super::launcher::Launcher;
use crate::console::print;
use crate::exit::Failure;
use crate::status::HealthReport;

/// The platform ends its scripts after 10 s, and the request to the health path alone may take 8 s.
const TIMEOUT: Duration = Duration::from_millis(8800);

/// Exit code 0 passing, 1 warning, 2 critical; no launcher is critical too.
pub(crate) fn healthcheck(launcher: &Launcher) -> Result<(), Failure> {
    let critical = |reason: String| Failure::Health { level: 2, reason };
    let (_, body) = launcher
        .ask(&Method::GET, "/healthcheck", TIMEOUT)
        .map_err(|failure| critical(failure.to_string()))?;
    let health: HealthReport =
        harmless::parse(&body).map_err(|error| critical(error.to_string()))?;
    if health.level > 0 {
        return Err(Failure::Health {
            level: health.level,
            reason: health.reason,
        });
    }
    print(&format!("{}\n", health.reason))
}
