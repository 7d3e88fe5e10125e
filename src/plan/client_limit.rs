//! How many connections with a request one client address may have.

use serde::Serialize;

/// A browser opens 6 connections to a host, or one. This is for some forty of them behind one address.
const DEFAULT_CLIENT_CONNECTIONS: u32 = 256;

/// How many connections of one client address may have a request at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientLimit {
    /// Any number.
    None,
    /// This many from a public address; any number from a private one, which may be that of a proxy.
    Public(u32),
    /// This many from any address.
    All(u32),
}

impl ClientLimit {
    /// From the key `max_connections_per_client`; none: it is not set.
    pub(super) fn of(key: Option<u32>) -> Self {
        match key {
            None => Self::Public(DEFAULT_CLIENT_CONNECTIONS),
            Some(0) => Self::None,
            Some(limit) => Self::All(limit),
        }
    }
}
