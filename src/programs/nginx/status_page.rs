//! How many client connections nginx has: the client of its status page (`ngx_http_stub_status_module`).

use std::path::Path;
use std::time::Duration;

use hyper::{Method, StatusCode};

use crate::http::client;

/// Client connections of an nginx, without the one of the request for the status page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Connections {
    /// All of them, idle ones included.
    pub(super) active: u64,
    /// Connections with a request whose response nginx awaits or sends.
    pub(super) writing: u64,
}

/// Reads the status page. The error is text for operators.
pub(super) async fn connections(socket: &Path, timeout: Duration) -> Result<Connections, String> {
    match client::ask(socket, Method::GET, "/status", timeout).await {
        Ok((StatusCode::OK, body)) => parse(&String::from_utf8_lossy(&body))
            .ok_or_else(|| "its status page cannot be read".to_owned()),
        Ok((status, _)) => Err(format!("its status page answers {status}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses "Active connections: 2 … Reading: 0 Writing: 1 Waiting: 1", of which the request itself is one.
fn parse(text: &str) -> Option<Connections> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place + 1)?.parse::<u64>().ok()
    };
    Some(Connections {
        active: after("connections:")?.saturating_sub(1),
        writing: after("Writing:")?.saturating_sub(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_of_the_request_itself_does_not_count() {
        let text = "Active connections: 3 \nserver accepts handled requests\n 9 9 12 \nReading: 0 Writing: 2 Waiting: 1 \n";
        assert_eq!(
            parse(text),
            Some(Connections {
                active: 2,
                writing: 1
            })
        );
        assert_eq!(parse("nonsense"), None);
    }
}
