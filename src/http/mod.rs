//! HTTP/1.1 for few small messages over TCP and Unix sockets: [`server`] and [`client`]. The requests and responses are
//! defined in [`crate::control`] and [`crate::programs`].
#![forbid(unsafe_code)]

pub(crate) mod client;
pub(crate) mod server;

use bytes::Bytes;
use http_body_util::Full;

/// A response with its complete body.
pub(crate) type Response = hyper::Response<Full<Bytes>>;
