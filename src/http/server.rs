//! The launcher's HTTP server. Every wait has a timeout and every resource a limit, so that no client can block it.
//!
//! When the connection limit is reached, connections with idle clients are closed: clients that have not sent a complete
//! request, or do not read their response. A new client waits only for the idle timeout. Clients to which events are sent
//! are not idle; how many there may be, those decide who send them.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_io_timeout::TimeoutStream;

use super::Response;

/// Limit of simultaneous connections; more wait in the backlog.
const MAX_CONNECTIONS: usize = 64;
/// For the request line and headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole connection. A reload may take minutes, so this only ends connections that hang for ever.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);
/// For a client that reads nothing of what was sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit of the request line and headers.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// For sending the request or reading the response while other clients wait for a connection. An ordinary client has
/// sent its request before its connection is accepted.
const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_millis(100);
/// Pause when the process or the system has no file descriptors left.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket, TCP or Unix.
pub(crate) trait Listener {
    /// The stream of an accepted connection.
    type Connection: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static;

    /// Accepts the next connection.
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

/// Serves requests on a socket until the future is dropped. Needs a `LocalSet`.
pub(crate) async fn serve<L, H, F>(listener: L, handler: H)
where
    L: Listener,
    H: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    let handler = Rc::new(handler);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut open: Vec<OpenConnection> = Vec::new();
    loop {
        open.retain(|connection| !connection.task.is_finished());
        let permit = Arc::clone(&permits).acquire_owned();
        let permit = match tokio::time::timeout(until_next_idle(&open), permit).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return,
            Err(_) => {
                close_idle(&mut open);
                continue;
            }
        };
        match listener.next().await {
            Ok(stream) => {
                let handler = Rc::clone(&handler);
                let client = ClientWait::default();
                let of_task = client.clone();
                let task = tokio::task::spawn_local(async move {
                    let _permit = permit;
                    serve_connection(stream, handler, of_task).await;
                });
                open.push(OpenConnection {
                    client,
                    task: task.abort_handle(),
                });
            }
            Err(error) => handle_accept_error(&error).await,
        }
    }
}

/// An open connection as the accept loop sees it.
struct OpenConnection {
    client: ClientWait,
    task: AbortHandle,
}

/// Since when the server has been waiting for the client to send or read; none while it handles the request.
#[derive(Clone)]
struct ClientWait(Rc<Cell<Option<Instant>>>);

impl Default for ClientWait {
    fn default() -> Self {
        Self(Rc::new(Cell::new(Some(Instant::now()))))
    }
}

impl ClientWait {
    fn stop(&self) {
        self.0.set(None);
    }

    fn start(&self) {
        self.0.set(Some(Instant::now()));
    }

    /// Time until the client counts as idle; none while the server handles its request.
    fn remaining(&self) -> Option<Duration> {
        self.0
            .get()
            .map(|since| CLIENT_IDLE_TIMEOUT.saturating_sub(since.elapsed()))
    }
}

/// Time until the next client counts as idle.
fn until_next_idle(open: &[OpenConnection]) -> Duration {
    let remaining = open
        .iter()
        .filter_map(|connection| connection.client.remaining());
    remaining.min().unwrap_or(CLIENT_IDLE_TIMEOUT)
}

/// Closes the connections of idle clients. Their permits are released as soon as their tasks have been dropped.
fn close_idle(open: &mut Vec<OpenConnection>) {
    open.retain(|connection| {
        let stays = connection.client.remaining() != Some(Duration::ZERO);
        if !stays {
            tracing::debug!("Closed the connection of an idle client of the admin server.");
            connection.task.abort();
        }
        stays
    });
}

/// Answers the request of one client.
pub(crate) async fn serve_stream<S, H, F>(stream: S, handler: H)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    H: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    serve_connection(stream, Rc::new(handler), ClientWait::default()).await;
}

async fn serve_connection<S, H, F>(stream: S, handler: Rc<H>, client: ClientWait)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    H: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    let service = service_fn(move |request| {
        let client = client.clone();
        client.stop();
        let response = handler(request);
        async move {
            let response = response.await;
            if !response.body().goes_on() {
                client.start();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream
        .as_mut()
        .set_write_timeout_pinned(Some(WRITE_TIMEOUT));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIMEOUT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "A connection to the admin server failed."),
        Err(_) => tracing::debug!("A connection to the admin server timed out."),
    }
}

/// Ignores a client that disconnected before it was accepted. Logs any other error and pauses, because it may be a
/// temporary lack of file descriptors.
async fn handle_accept_error(error: &io::Error) {
    let disconnected = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !disconnected {
        tracing::warn!(%error, "Cannot accept a connection to the admin server.");
        tokio::time::sleep(OUT_OF_FILES_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::sync::{Notify, mpsc};

    use super::*;
    use crate::http::body::ResponseBody;

    /// A client that sends the text and does not read yet.
    async fn client(socket: &std::path::Path, text: &str) -> UnixStream {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn answer(mut stream: UnixStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test(flavor = "current_thread")]
    async fn idle_clients_are_disconnected_and_an_in_flight_request_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let (begun, go) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (has_begun, may_go) = (Rc::clone(&begun), Rc::clone(&go));
        let (events, of_server) = mpsc::channel(1);
        let of_server = Rc::new(Cell::new(Some(of_server)));
        let permit = Arc::new(Semaphore::new(1));
        let handler = move |request: Request<Incoming>| {
            let (begun, go) = (Rc::clone(&has_begun), Rc::clone(&may_go));
            let permit = Arc::clone(&permit);
            let events = (request.uri().path() == "/events").then(|| of_server.take());
            async move {
                if let Some(events) = events.flatten() {
                    let body = ResponseBody::events(events, permit.try_acquire_owned().unwrap());
                    return Response::new(body);
                }
                let body: String = match request.uri().path() {
                    "/slow" => {
                        begun.notify_one();
                        go.notified().await;
                        "slow".into()
                    }
                    "/large" => "x".repeat(4 * 1024 * 1024),
                    _ => "quick".into(),
                };
                Response::new(body.into())
            }
        };
        let local = tokio::task::LocalSet::new();
        local.spawn_local(serve(listener, handler));
        let clients = async {
            let slow = client(&socket, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
            begun.notified().await;
            let watcher = client(&socket, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n").await;
            events.send("first".into()).await.unwrap();
            let mut others = Vec::new();
            for _ in 0..MAX_CONNECTIONS {
                others.push(client(&socket, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await);
                others.push(client(&socket, "GET / HTT").await);
            }
            for _ in 0..3 {
                let probe = client(&socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
                assert!(answer(probe).await.ends_with("quick"));
            }
            events.send("last".into()).await.unwrap();
            drop(events);
            assert!(
                answer(watcher)
                    .await
                    .ends_with("first\r\n4\r\nlast\r\n0\r\n\r\n")
            );
            go.notify_one();
            assert!(answer(slow).await.ends_with("slow"));
        };
        // Before the header timeout of the first idle client.
        let all = local.run_until(tokio::time::timeout(HEADER_TIMEOUT, clients));
        all.await.expect("no client has to wait for idle ones");
    }
}
