//! The launcher's HTTP interface: which requests it answers, with what, and which of them on which listener.
//!
//! ```text
//! GET  /             the status as a page, see crate::page
//! GET  /events       what changes on it, as server-sent events
//! GET  /livez         200 while the supervisor's loop runs
//! GET  /readyz        200 when the service is ready for requests, 503 with the reason otherwise
//! GET  /status        JSON, see crate::status
//! GET  /metrics       for Prometheus, see [`metrics`] and [`exposition`]
//! GET  /healthcheck   JSON: level 0 passing, 1 warning, 2 critical, with the reason
//! POST /reload               control socket only: JSON with code and text, after the reload has ended
//! POST /workers/ID/restart   control socket only: text
//! POST /workers/ID/stacks    control socket only: JSON, the Python stacks of a worker, see crate::stacks
//! POST /stacks               control socket only: those of all workers that have requests
//! POST /profile?seconds=5    control socket only: JSON, what the requests did in these seconds
//! ```
//!
//! `--admin` (TCP) is read-only; RUNTIME/control.sock (0600) takes commands too. Only /healthcheck waits for the
//! application: it requests the health path, with a timeout.
//!
//! [`routes`] has the paths; [`callers`] refuses the requests of web pages, `outline` leaves out on TCP what not every
//! neighbour may know, [`health`] runs the health checks, `live` keeps the page up to
//! date, `workers` ends a worker, [`stacks`] has its Python stacks read. [`development`] answers in development, on the control
//! socket alone.
#![forbid(unsafe_code)]

mod answers;
pub(crate) mod callers;
pub(crate) mod development;
mod exposition;
pub(crate) mod health;
mod live;
mod metric_writer;
mod metrics;
mod outline;
pub(crate) mod routes;
mod stacks;
mod workers;
