//! Takes the oldest request out of the queue and refuses it.
//!
//! Nothing of the request is read or parsed: the answer makes nginx continue in a location of its own, which knows the
//! request's id and what the client accepts (`X-Accel-Redirect`, ngx_http_proxy_module).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::sys::sockets;

/// Time in which nginx must take the answer and close the connection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The line after the status: where nginx continues.
const MARK: &str = "\r\nX-Accel-Redirect: @refused\r\n";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It has waited for too long.
    QueueTimeout,
    /// Too many wait.
    QueueFull,
}

/// Accepts the oldest connection and answers it, in a task of its own. False when a worker was faster.
pub(super) fn shed_oldest(listener: &OwnedFd, cause: Cause) -> io::Result<bool> {
    let Some(stream) = sockets::accept(listener)? else {
        return Ok(false);
    };
    let stream = UnixStream::from_std(stream)?;
    tokio::task::spawn_local(async move {
        // A connection that breaks is one whose client has left.
        let _: Result<io::Result<()>, _> =
            tokio::time::timeout(TIMEOUT, answer(stream, cause)).await;
    });
    Ok(true)
}

/// Answers, and reads what nginx still sends: closing a connection with unread bytes would reset it, and nginx would try
/// the request again.
pub(crate) async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    cause: Cause,
) -> io::Result<()> {
    stream.write_all(response(cause).as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = vec![0; 64 * 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Whether a response is one of these, and not the application's.
pub(crate) fn is_refusal(response: &[u8]) -> bool {
    memchr::memmem::find(response, MARK.as_bytes()).is_some()
}

/// The header `Microservice-Answer` is for the access log, as the entry module's: no worker, no wait for it, the reason.
fn response(cause: Cause) -> String {
    let reason = match cause {
        Cause::QueueTimeout => "queue_timeout",
        Cause::QueueFull => "queue_full",
    };
    format!(
        "HTTP/1.1 503 Service Unavailable{MARK}Microservice-Answer: - - {reason}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn the_oldest_is_answered_although_its_body_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = OwnedFd::from(listener);
        let mut nginx = UnixStream::connect(&path).unwrap();
        let client = std::thread::spawn(move || {
            nginx
                .write_all(b"POST / HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n")
                .unwrap();
            nginx.write_all(&vec![b'x'; 4_000_000]).unwrap();
            nginx.shutdown(std::net::Shutdown::Write).unwrap();
            let mut text = String::new();
            nginx.read_to_string(&mut text).unwrap();
            text
        });
        tokio::task::LocalSet::new()
            .run_until(async {
                assert!(shed_oldest(&listener, Cause::QueueTimeout).unwrap());
                assert!(!shed_oldest(&listener, Cause::QueueTimeout).unwrap());
                let text = tokio::task::spawn_blocking(|| client.join().unwrap())
                    .await
                    .unwrap();
                assert_eq!(text, response(Cause::QueueTimeout));
                assert!(is_refusal(text.as_bytes()) && !is_refusal(b"HTTP/1.1 503 Busy\r\n\r\n"));
            })
            .await;
    }
}
