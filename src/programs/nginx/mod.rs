//! nginx: accepts requests from clients, serves static files, buffers slow clients.
//!
//! `child` is its plan, `proxy` implements the supervisor's trait, `status_page` the client of its status page
//! (`ngx_http_stub_status_module`), `config_test` runs `nginx -t`.

pub(crate) mod child;
pub(crate) mod config_test;
mod proxy;
mod status_page;
