//! HTTP client for a Unix socket: the launcher's control socket, or nginx's private one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Largest accepted response body.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No server listens.
    #[error("cannot connect to {}: {source}", socket.display())]
    Connect {
        /// Path of the Unix socket.
        socket: PathBuf,
        /// The error of connect(2).
        source: std::io::Error,
    },
    /// A server listens and says nothing in time.
    #[error("no answer from {}: nothing within {} ms", socket.display(), limit.as_millis())]
    Silent {
        /// Path of the Unix socket.
        socket: PathBuf,
        /// The time limit.
        limit: Duration,
    },
    /// A server closes the connection without an answer, or its answer is not valid HTTP.
    #[error("no answer from {}: {why}", socket.display())]
    Broken {
        /// Path of the Unix socket.
        socket: PathBuf,
        /// The error, as text.
        why: String,
    },
}

/// Sends a request without a body on a connection to `socket`, and returns status and body of the response. `timeout`
/// covers the whole exchange.
pub(crate) async fn ask(
    stream: UnixStream,
    socket: &Path,
    method: Method,
    path: &str,
    timeout: Duration,
) -> Result<(StatusCode, Bytes), ClientError> {
    within(timeout, socket, exchange(stream, socket, method, path)).await
}

async fn within<T>(
    limit: Duration,
    socket: &Path,
    exchange: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    match tokio::time::timeout(limit, exchange).await {
        Ok(result) => result,
        Err(_) => Err(ClientError::Silent {
            socket: socket.to_owned(),
            limit,
        }),
    }
}

async fn exchange(
    stream: UnixStream,
    socket: &Path,
    method: Method,
    path: &str,
) -> Result<(StatusCode, Bytes), ClientError> {
    let broken = |why: String| ClientError::Broken {
        socket: socket.to_owned(),
        why,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(error.to_string()))?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(error.to_string()))?;
    let response = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES)
            .collect()
            .await
            .map_err(|error| broken(error.to_string()))?;
        Ok((status, body.to_bytes()))
    };
    // The connection must be polled for the request and the response to make progress. It may end first; the
    // response is then complete already.
    tokio::pin!(response);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        result = &mut response => result,
        ended = &mut connection => match ended {
            Ok(()) => response.await,
            Err(error) => Err(broken(error.to_string())),
        },
    }
}
