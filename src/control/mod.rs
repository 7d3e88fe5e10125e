//! The launcher's HTTP interface: what is asked, what is answered, and who may.
//!
//! ```text
//! GET  /livez         200 while the launcher turns its loop
//! GET  /readyz        200 when requests should be sent here, 503 with the reason otherwise
//! GET  /status        JSON, see crate::status
//! GET  /metrics       Prometheus text, see [`metrics`]
//! GET  /healthcheck   JSON: level 0 passing, 1 warning, 2 critical, with the reason
//! POST /reload               control socket only: JSON with code and text, once the outcome is known
//! POST /workers/ID/restart   control socket only
//! ```
//!
//! The same on `--admin` (TCP, read-only) and on RUNTIME/control.sock (0600). None of it waits for the application, but
//! for /healthcheck, which asks the health path and has a limit.
#![forbid(unsafe_code)]

pub mod metrics;
pub mod routes;
