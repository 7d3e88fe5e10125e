//! nginx: accepts requests from clients, serves static files, buffers slow clients.
//!
//! `child` is its plan, `proxy` implements the supervisor's trait, `status_page` the client of its status page
//! (`ngx_http_stub_status_module`), `config_test` runs `nginx -t`. `disk_watch` measures the disk space of the responses that slow clients have not taken,
//! `disk_fill` decides whether that is too much.

pub(crate) mod child;
pub(crate) mod config_test;
mod disk_fill;
pub(crate) mod disk_watch;
mod proxy;
mod status_page;
