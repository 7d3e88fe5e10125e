//! How many client connections nginx has: the client of its status page (`ngx_http_stub_status_module`).

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::net::UnixStream;

use crate::http::client::{self, ClientError};
use crate::status::ClientConnections;
use crate::sys::{file_user, sockets};

/// Why the status page has not told the connections; the texts are for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoFigures {
    /// nginx does something: it has answered otherwise, or closed the connection, which it does when clients have taken
    /// all of its connections.
    Busy(String),
    /// nginx has said nothing.
    Silent(String),
}

impl NoFigures {
    pub(super) fn text(self) -> String {
        match self {
            Self::Busy(text) | Self::Silent(text) => text,
        }
    }
}

/// Asks over a connection that is made with the rights of nginx's user, to whom the folder of the socket belongs.
async fn ask(socket: &Path, timeout: Duration) -> Result<(StatusCode, Bytes), ClientError> {
    let folder = socket.parent().unwrap_or(socket);
    let stream = file_user::as_owner_of(folder, || sockets::connect(socket))
        .and_then(UnixStream::from_std)
        .map_err(|source| ClientError::Connect {
            socket: socket.to_owned(),
            source,
        })?;
    client::ask(stream, socket, Method::GET, "/status", timeout).await
}

/// Reads the status page.
pub(super) async fn connections(
    socket: &Path,
    timeout: Duration,
) -> Result<ClientConnections, NoFigures> {
    match ask(socket, timeout).await {
        Ok((StatusCode::OK, body)) => parse(&String::from_utf8_lossy(&body))
            .ok_or_else(|| NoFigures::Busy("its status page cannot be read".to_owned())),
        Ok((status, _)) => Err(NoFigures::Busy(format!("its status page answers {status}"))),
        Err(error @ ClientError::Broken { .. }) => Err(NoFigures::Busy(error.to_string())),
        Err(error @ (ClientError::Connect { .. } | ClientError::Silent { .. })) => {
            Err(NoFigures::Silent(error.to_string()))
        }
    }
}

/// Parses "Active connections: 2 … Reading: 0 Writing: 1 Waiting: 1", of which the request itself is one.
pub(crate) fn parse(text: &str) -> Option<ClientConnections> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place + 1)?.parse::<u64>().ok()
    };
    let (reading, writing) = (after("Reading:")?, after("Writing:")?.saturating_sub(1));
    // Of its own "Waiting", nginx leaves out connections that have just been accepted.
    let idle =
        after("connections:")?.saturating_sub(reading.saturating_add(writing).saturating_add(1));
    Some(ClientConnections {
        reading,
        writing,
        idle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_of_the_request_itself_does_not_count() {
        let text = "Active connections: 7 \nserver accepts handled requests\n 9 9 12 \nReading: 4 Writing: 2 Waiting: 1 \n";
        assert_eq!(
            parse(text),
            Some(ClientConnections {
                reading: 4,
                writing: 1,
                idle: 1
            })
        );
        assert_eq!(parse("nonsense"), None);
        let most = format!("Active connections: 7 Reading: {0} Writing: {0}", u64::MAX);
        assert_eq!(parse(&most).map(|page| page.idle), Some(0));
    }
}
