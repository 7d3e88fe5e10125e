//! The launcher's HTTP interface: which requests it answers, with what, and which of them on which listener.
//!
//! ```text
//! GET  /livez         200 while the supervisor's loop runs
//! GET  /readyz        200 when the service is ready for requests, 503 with the reason otherwise
//! GET  /status        JSON, see crate::status
//! GET  /metrics       for Prometheus, see [`metrics`] and [`exposition`]
//! GET  /healthcheck   JSON: level 0 passing, 1 warning, 2 critical, with the reason
//! POST /reload               control socket only: JSON with code and text, after the reload has ended
//! POST /workers/ID/restart   control socket only: text
//! ```
//!
//! `--admin` (TCP) is read-only; RUNTIME/control.sock (0600) takes commands too. Only /healthcheck waits for the
//! application: it requests the health path, with a timeout.
//!
//! [`routes`] has the paths; [`callers`] refuses the requests of web pages, `outline` leaves out on TCP what not every
//! neighbour may know, [`health`] runs the health checks. [`development`] answers in development, on the control socket alone.
#![forbid(unsafe_code)]

mod answers;
pub(crate) mod callers;
pub(crate) mod development;
mod exposition;
pub(crate) mod health;
mod metric_writer;
mod metrics;
mod outline;
pub(crate) mod routes;
