//! A request to the application by the uwsgi protocol, past nginx
//! (<https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>).

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Bytes of the answer that are read: the status line is among the first.
const ENOUGH: u64 = 4096;

/// The id of the requests that are sent from here.
pub(super) const REQUEST_ID: &str = "health-check";

/// Sends `GET path`, gives the status of the answer.
pub(super) async fn get(socket: &Path, path: &str, limit: Duration) -> io::Result<u16> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&packet(path)?).await?;
        let mut answer = Vec::new();
        stream.take(ENOUGH).read_to_end(&mut answer).await?;
        status(&answer).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "no HTTP status in the answer")
        })
    };
    tokio::time::timeout(limit, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Whether a worker takes a connection: a ping (modifier 100) is answered with a pong, or, by a uWSGI without that plugin,
/// with the end of the connection. Both come from a worker; a queue that nobody empties gives neither.
pub(super) async fn is_taken(socket: &Path, limit: Duration) -> bool {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&[100, 0, 0, 0]).await?;
        stream.read(&mut [0; 4]).await
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(Ok(_)) => true,
        // Closed before the ping was written or read: a worker has closed it.
        Ok(Err(error)) => matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        ),
        Err(_) => false,
    }
}

/// Modifier 0 (WSGI), the length, modifier 0, then names and values with their lengths, all little-endian.
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

/// `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|b| *b == b'\r').next()?;
    let text = std::str::from_utf8(line).ok()?;
    text.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_answers() {
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
    async fn an_answer_or_an_end_shows_a_living_worker_and_silence_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(!is_taken(&path, Duration::from_millis(50)).await);
        // The connection of the first question still waits; a worker that takes connections takes it, too.
        let worker = std::thread::spawn(move || {
            for _ in 0..2 {
                drop(listener.accept().unwrap());
            }
        });
        assert!(is_taken(&path, Duration::from_secs(10)).await);
        worker.join().unwrap();
    }
}
