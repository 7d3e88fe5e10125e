//! Asking an HTTP server on a Unix socket: the launcher's own, or nginx's private one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Largest answer that is taken.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("cannot connect to {}: {source}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody listens and does not answer as HTTP asks.
    #[error("no answer from {}: {why}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        why: String,
    },
}

/// Sends a request without a body, gives status and body of the answer.
pub async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    limit: Duration,
) -> Result<(StatusCode, Bytes), ClientError> {
    let broken = |why: String| ClientError::Broken {
        socket: socket.to_owned(),
        why,
    };
    let exchange = async {
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|source| ClientError::Connect {
                socket: socket.to_owned(),
                source,
            })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(error.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, "localhost")
            .body(Empty::<Bytes>::new())
            .map_err(|error| broken(error.to_string()))?;
        let answer = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| broken(error.to_string()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST_ANSWER)
                .collect()
                .await
                .map_err(|error| broken(error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        // The connection does the work of both sides; the answer is complete before it ends.
        tokio::pin!(answer);
        tokio::pin!(connection);
        tokio::select! {
            biased;
            result = &mut answer => result,
            ended = &mut connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(broken(error.to_string())),
            },
        }
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(result) => result,
        Err(_) => Err(broken(format!("nothing within {} ms", limit.as_millis()))),
    }
}
