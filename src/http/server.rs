//! The launcher's own HTTP server. Every wait has a deadline and every number a limit, so that no client can hold it.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use super::Response;

/// Connections at the same time; more wait in the backlog.
const MOST_CONNECTIONS: usize = 64;
/// A client must have sent its request line and headers by then.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole connection ends by then; a reload may take minutes, so this is only for what hangs for ever.
const LONGEST_CONNECTION: Duration = Duration::from_secs(600);
/// Largest request line and headers.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// Pause when the process or the system has no file descriptors left.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(100);

/// A socket that gives connections.
pub trait Listener {
    /// A connection.
    type Connection: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static;

    /// The next one.
    fn next(&self) -> impl Future<Output = io::Result<Self::Connection>>;
}

impl Listener for TcpListener {
    type Connection = tokio::net::TcpStream;

    async fn next(&self) -> io::Result<Self::Connection> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

impl Listener for UnixListener {
    type Connection = tokio::net::UnixStream;

    async fn next(&self) -> io::Result<Self::Connection> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

/// Answers requests on a socket until the task is dropped. Needs a `LocalSet`.
pub async fn serve<L, H, F>(listener: L, handler: H)
where
    L: Listener,
    H: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    let handler = Rc::new(handler);
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        match listener.next().await {
            Ok(stream) => {
                let handler = Rc::clone(&handler);
                tokio::task::spawn_local(async move {
                    let _permit = permit;
                    connection(stream, handler).await;
                });
            }
            Err(error) => accept_failed(&error).await,
        }
    }
}

async fn connection<S, H, F>(stream: S, handler: Rc<H>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    H: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MOST_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(LONGEST_CONNECTION, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "A client of the admin server broke off."),
        Err(_) => tracing::debug!("A client of the admin server took too long."),
    }
}

/// A client that left before it was accepted is nothing; running out of descriptors will pass; anything else is told.
async fn accept_failed(error: &io::Error) {
    let gone = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !gone {
        tracing::warn!(%error, "Cannot accept a connection to the admin server.");
        tokio::time::sleep(OUT_OF_FILES_PAUSE).await;
    }
}
