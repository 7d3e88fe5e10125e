//! HTTP/1.1 for few small messages over TCP and Unix sockets: [`server`] and [`client`]; [`body`] is what a response has after
//! its head. The requests and responses are defined in [`crate::control`] and [`crate::programs`].
#![forbid(unsafe_code)]

pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod server;

/// A response with its body.
pub(crate) type Response = hyper::Response<body::ResponseBody>;
