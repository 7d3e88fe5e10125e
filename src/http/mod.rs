//! HTTP/1.1 as the launcher speaks it: few, small messages, on TCP and on Unix sockets. [`server`] answers, [`client`]
//! asks. What is asked and answered is [`crate::control`]'s and [`crate::health`]'s business.
#![forbid(unsafe_code)]

pub mod client;
pub mod server;

use bytes::Bytes;
use http_body_util::Full;

/// An answer with its whole body.
pub type Response = hyper::Response<Full<Bytes>>;
