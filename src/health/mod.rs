//! Is it ready, does it get on: questions to nginx and uWSGI. [`stats`] reads uWSGI's statistics, [`nginx`] those of nginx,
//! [`ages`] tells how old requests are, [`progress`] tells saturation from death, [`imports`] finds what an import left
//! open (`peers` knows the other ends of Unix sockets), [`wsgi`] sends a request to the application by the uwsgi protocol, [`probe`] puts them together.
#![forbid(unsafe_code)]

pub mod ages;
pub mod imports;
pub mod nginx;
mod peers;
pub mod probe;
pub mod progress;
pub mod stats;
mod stats_json;
pub mod wsgi;
