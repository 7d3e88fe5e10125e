//! nginx: accepts requests from clients, serves static files, buffers slow clients.
//!
//! `child` is its plan, `proxy` implements the supervisor's trait, `status_page` the client of its status page
//! (`ngx_http_stub_status_module`), `config_test` runs `nginx -t`. `disk_watch` measures the disk space of the responses that slow clients have not taken,
//! `disk_fill` decides whether that is too much. `slow_watch` disconnects clients that send too slowly, `slow_senders` knows
//! which these are.

pub(crate) mod child;
pub(crate) mod config_test;
mod disk_fill;
pub(crate) mod disk_watch;
mod proxy;
mod slow_senders;
pub(crate) mod slow_watch;
pub(crate) mod status_page;
