//! Requests to the application by the uwsgi protocol, past nginx
//! (<https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>).

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Bytes of the response that are read at most; only its status line is needed.
const MAX_RESPONSE: u64 = 4096;

/// The request id of health checks. It distinguishes them from clients' requests in the statistics and in the log.
pub(super) const REQUEST_ID: &str = "health-check";

/// Sends `GET path` and returns the status code of the response; an error of the kind `TimedOut` after `timeout`.
pub(super) async fn get(socket: &Path, path: &str, timeout: Duration) -> io::Result<u16> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&packet(path)?).await?;
        let mut response = Vec::new();
        stream.take(MAX_RESPONSE).read_to_end(&mut response).await?;
        status(&response).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "no HTTP status in the answer")
        })
    };
    tokio::time::timeout(timeout, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Whether a worker accepts a connection within the timeout: a ping (modifier 100) is answered with a pong, or, by a
/// uWSGI without that plugin, by closing the connection. Both come from a worker; a connection that stays in the listen
/// queue gets neither.
pub(super) async fn worker_accepts(socket: &Path, timeout: Duration) -> bool {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&[100, 0, 0, 0]).await?;
        stream.read(&mut [0; 4]).await
    };
    match tokio::time::timeout(timeout, exchange).await {
        Ok(Ok(_)) => true,
        // A worker closed the connection before the ping was written or the pong was read.
        Ok(Err(error)) => matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        ),
        Err(_) => false,
    }
}

/// A request: modifier 0 (WSGI), the length, modifier 0, then names and values with their lengths, all little-endian.
fn packet(path: &str) -> io::Result<Vec<u8>> {
    let (file, query) = path.split_once('?').unwrap_or((path, ""));
    let vars = [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", path),
        ("PATH_INFO", file),
        ("QUERY_STRING", query),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "80"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_HOST", "localhost"),
        ("HTTP_USER_AGENT", "microservice-flask"),
        ("HTTP_X_REQUEST_ID", REQUEST_ID),
    ];
    let mut block = Vec::new();
    for text in vars.iter().flat_map(|(name, value)| [name, value]) {
        block.extend_from_slice(&length(text.len())?);
        block.extend_from_slice(text.as_bytes());
    }
    let [low, high] = length(block.len())?;
    let mut packet = vec![0, low, high, 0];
    packet.append(&mut block);
    Ok(packet)
}

fn length(bytes: usize) -> io::Result<[u8; 2]> {
    u16::try_from(bytes).map(u16::to_le_bytes).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "too long for the uwsgi protocol",
        )
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
    fn packets_and_responses() {
        let bytes = packet("/health?x=1").unwrap();
        assert_eq!(
            usize::from(u16::from_le_bytes([bytes[1], bytes[2]])),
            bytes.len() - 4
        );
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("PATH_INFO") && text.contains("/health") && text.contains("x=1"));
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
