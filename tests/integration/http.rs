//! HTTP requests, responses and failures. Nothing is retried.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::connection::Connection;

/// Default timeout of a request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<&Path> for Target {
    fn from(path: &Path) -> Self {
        Self::Unix(path.to_owned())
    }
}

/// One request. The caller may add `Connection: close`.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) timeout: Duration,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
            timeout: TIMEOUT,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let mut request = Self::new("POST", path);
        request.body = Some(body.into());
        request
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends on a new connection.
    pub(crate) fn send(&self, target: impl Into<Target>) -> Result<Response, Failure> {
        let started = Instant::now();
        let mut connection = Connection::open(&target.into(), self.timeout)?;
        let mut response = connection.send(self)?;
        response.took = started.elapsed();
        Ok(response)
    }

    /// Request line and headers.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let mut line = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            line("Host", "localhost");
        }
        if let Some(body) = &self.body {
            line("Content-Length", &body.len().to_string());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        head.push_str("\r\n");
        head
    }
}

/// GET on a new connection.
pub(crate) fn get(target: impl Into<Target>, path: &str) -> Result<Response, Failure> {
    Request::get(path)
        .header("Connection", "close")
        .send(target)
}

/// A complete response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// From the connect or, on a reused connection, from the first byte sent.
    pub(crate) took: Duration,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Why there is no complete response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No server listens, or it refused the connection.
    Connect(io::Error),
    /// The connection broke while the request was sent or the response was received.
    Broken {
        sent: &'static str,
        error: io::Error,
    },
    /// The server closed the connection before the response was complete, after `got` bytes of it.
    Closed { got: usize },
    /// No complete response in time.
    Timeout,
    /// The response is not HTTP.
    Malformed(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "connect: {error}"),
            Self::Broken { sent, error } => write!(f, "broken while {sent}: {error}"),
            Self::Closed { got } => write!(f, "closed after {got} bytes"),
            Self::Timeout => write!(f, "timeout"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
        }
    }
}

/// Status and headers, without a body yet.
pub(crate) fn parse_head(head: &[u8]) -> Result<Response, Failure> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let malformed = || Failure::Malformed(first.to_owned());
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(malformed)?;
    let headers = lines
        .map(|line| {
            line.split_once(':')
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(malformed)?;
    Ok(Response {
        status,
        headers,
        body: Vec::new(),
        took: Duration::ZERO,
    })
}
