//! The launcher's own HTTP server. Every wait has a deadline and every number a limit, so that no client can hold it.
//!
//! When all places are taken, those are ended whose clients have been doing nothing for a moment: they have not sent a
//! whole request, or do not take their answer. Others may wait for that moment, and no longer.

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

use super::Response;

/// Connections at the same time; more wait in the backlog.
const MOST_CONNECTIONS: usize = 64;
/// A client must have sent its request line and headers by then.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole connection ends by then; a reload may take minutes, so this is only for what hangs for ever.
const LONGEST_CONNECTION: Duration = Duration::from_secs(600);
/// Largest request line and headers.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// What a client may take to send its request or to read its answer when others wait for its place. Who connects to ask
/// has sent its request before it is let in.
const GRACE: Duration = Duration::from_millis(100);
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
    let mut guests: Vec<Guest> = Vec::new();
    loop {
        guests.retain(|guest| !guest.task.is_finished());
        let place = Arc::clone(&permits).acquire_owned();
        let permit = match tokio::time::timeout(patience(&guests), place).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return,
            Err(_) => {
                make_room(&mut guests);
                continue;
            }
        };
        match listener.next().await {
            Ok(stream) => {
                let handler = Rc::clone(&handler);
                let turn = Turn::default();
                let theirs = turn.clone();
                let task = tokio::task::spawn_local(async move {
                    let _permit = permit;
                    connection(stream, handler, theirs).await;
                });
                guests.push(Guest {
                    turn,
                    task: task.abort_handle(),
                });
            }
            Err(error) => accept_failed(&error).await,
        }
    }
}

/// A connection, as it is seen by whoever lets in the next.
struct Guest {
    turn: Turn,
    task: AbortHandle,
}

/// Since when it is the client's turn, to send or to read; none while its request is answered.
#[derive(Clone)]
struct Turn(Rc<Cell<Option<Instant>>>);

impl Default for Turn {
    fn default() -> Self {
        Self(Rc::new(Cell::new(Some(Instant::now()))))
    }
}

impl Turn {
    fn is_ours(&self) {
        self.0.set(None);
    }

    fn is_theirs(&self) {
        self.0.set(Some(Instant::now()));
    }

    /// What is left of its grace; none while nothing is expected of the client.
    fn left(&self) -> Option<Duration> {
        self.0
            .get()
            .map(|since| GRACE.saturating_sub(since.elapsed()))
    }
}

/// How long to wait for a place before somebody has to make room.
fn patience(guests: &[Guest]) -> Duration {
    let lefts = guests.iter().filter_map(|guest| guest.turn.left());
    lefts.min().unwrap_or(GRACE)
}

/// Ends those whose grace is over. Their places are free as soon as their tasks have been dropped.
fn make_room(guests: &mut Vec<Guest>) {
    guests.retain(|guest| {
        let stays = guest.turn.left() != Some(Duration::ZERO);
        if !stays {
            tracing::debug!(
                "A client of the admin server that did nothing makes room for another."
            );
            guest.task.abort();
        }
        stays
    });
}

async fn connection<S, H, F>(stream: S, handler: Rc<H>, turn: Turn)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    H: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    let service = service_fn(move |request| {
        let turn = turn.clone();
        turn.is_ours();
        let answer = handler(request);
        async move {
            let answer = answer.await;
            turn.is_theirs();
            Ok::<_, Infallible>(answer)
        }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::sync::Notify;

    use super::*;

    /// A client that sends so much and reads nothing.
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
    async fn clients_that_do_nothing_make_room_and_a_request_under_way_stays() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let (begun, go) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (has_begun, may_go) = (Rc::clone(&begun), Rc::clone(&go));
        let handler = move |request: Request<Incoming>| {
            let (begun, go) = (Rc::clone(&has_begun), Rc::clone(&may_go));
            async move {
                let body = match request.uri().path() {
                    "/slow" => {
                        begun.notify_one();
                        go.notified().await;
                        "slow".into()
                    }
                    "/large" => "x".repeat(4 * 1024 * 1024),
                    _ => "quick".into(),
                };
                Response::new(Full::new(Bytes::from(body)))
            }
        };
        let local = tokio::task::LocalSet::new();
        local.spawn_local(serve(listener, handler));
        let clients = async {
            let slow = client(&socket, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
            begun.notified().await;
            let mut others = Vec::new();
            for _ in 0..MOST_CONNECTIONS {
                others.push(client(&socket, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await);
                others.push(client(&socket, "GET / HTT").await);
            }
            for _ in 0..3 {
                let probe = client(&socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
                assert!(answer(probe).await.ends_with("quick"));
            }
            go.notify_one();
            assert!(answer(slow).await.ends_with("slow"));
        };
        // Earlier than the first silent client has to send its headers.
        let all = local.run_until(tokio::time::timeout(HEADER_TIMEOUT, clients));
        all.await.expect("nobody has to wait for silent clients");
    }
}
