//! HTTP requests to the application, past nginx.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::queue;

/// Bytes of the response that are read at most; only its status line is needed.
const MAX_RESPONSE: u64 = 4096;

/// The request id of health checks. It distinguishes them from clients' requests in the statistics and in the log.
pub(super) const REQUEST_ID: &str = "health-check";

/// The beginning of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusLine {
    /// The status code.
    pub(crate) status: u16,
    /// Whether the launcher has taken the request out of the queue, and not the application answered.
    pub(crate) refused: bool,
}

/// Sends `GET path` and reads the beginning of the response; an error of the kind `TimedOut` after `timeout`.
pub(super) async fn get(socket: &Path, path: &str, timeout: Duration) -> io::Result<StatusLine> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(request(path).as_bytes()).await?;
        let mut response = Vec::new();
        stream.take(MAX_RESPONSE).read_to_end(&mut response).await?;
        status_line(&response).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "no HTTP status in the answer")
        })
    };
    tokio::time::timeout(timeout, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Whether a worker accepts a connection within the timeout: to one on which nothing comes it answers by closing it. A
/// connection that stays in the listen queue is not closed.
pub(super) async fn worker_accepts(socket: &Path, timeout: Duration) -> bool {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.shutdown().await?;
        let mut response = Vec::new();
        let mut stream = stream.take(MAX_RESPONSE);
        stream.read_to_end(&mut response).await?;
        Ok::<bool, io::Error>(queue::is_refusal(&response))
    };
    match tokio::time::timeout(timeout, exchange).await {
        // The launcher itself may take it out of the queue.
        Ok(Ok(refused)) => !refused,
        // A worker closed the connection before it was read.
        Ok(Err(error)) => matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::NotConnected
        ),
        Err(_) => false,
    }
}

/// A request. The configuration accepts only paths that need no escape.
fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: microservice-flask\r\nX-Request-ID: {REQUEST_ID}\r\n\
         Connection: close\r\n\r\n"
    )
}

/// The beginning of a response; none when it is no HTTP.
pub(crate) fn status_line(response: &[u8]) -> Option<StatusLine> {
    Some(StatusLine {
        status: status(response)?,
        refused: queue::is_refusal(response),
    })
}

/// The status code of a response that begins with `HTTP/1.1 200 OK`.
fn status(response: &[u8]) -> Option<u16> {
    let line = response.split(|b| *b == b'\r').next()?;
    let text = std::str::from_utf8(line).ok()?;
    text.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses() {
        let text = request("/health?x=1");
        assert!(text.starts_with("GET /health?x=1 HTTP/1.1\r\nHost: localhost\r\n"));
        assert!(text.ends_with("\r\n\r\n") && text.contains("\r\nX-Request-ID: health-check\r\n"));
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"), Some(200));
        assert_eq!(status(b"garbage"), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_response_or_a_close_shows_a_live_worker_and_silence_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(!worker_accepts(&path, Duration::from_millis(50)).await);
        // The connection of the first ping is still queued; a worker that accepts connections accepts it too.
        let worker = std::thread::spawn(move || {
            for _ in 0..2 {
                drop(listener.accept().unwrap());
            }
        });
        assert!(worker_accepts(&path, Duration::from_secs(10)).await);
        worker.join().unwrap();
    }
}
