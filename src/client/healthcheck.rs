//! `healthcheck`: the health of the service as an exit code, for the platform and for Docker's HEALTHCHECK.

use std::time::Duration;

use hyper::Method;

use super::control_socket;
use crate::cli::ServiceOptions;
use crate::control::routes::HealthAnswer;
use crate::exit::Failure;
use crate::output::print;

/// The whole health check: the platform ends its scripts after ten seconds, and the health path alone may take eight.
const TIMEOUT: Duration = Duration::from_millis(8800);

/// Asks for the health; exit 0 passing, 1 warning, 2 critical.
pub(crate) fn healthcheck(options: &ServiceOptions) -> Result<(), Failure> {
    let answer = control_socket::ask(options, &Method::GET, "/healthcheck", TIMEOUT);
    let critical = |reason: String| Failure::Health { level: 2, reason };
    let (_, body) = answer.map_err(|failure| critical(failure.to_string()))?;
    let health: HealthAnswer =
        serde_json::from_slice(&body).map_err(|error| critical(error.to_string()))?;
    if health.level > 0 {
        return Err(Failure::Health {
            level: health.level,
            reason: health.reason,
        });
    }
    print(&format!("{}\n", health.reason))
}
