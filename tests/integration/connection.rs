//! A blocking HTTP/1.1 connection for one or more requests.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::http::{Failure, Request, Response, Target, parse_head};

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that may carry several requests.
pub(crate) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    open: bool,
}

impl Connection {
    pub(crate) fn open(target: &Target, timeout: Duration) -> Result<Self, Failure> {
        let stream = match target {
            Target::Tcp(address) => TcpStream::connect_timeout(address, timeout).map(|stream| {
                stream.set_nodelay(true).unwrap();
                Stream::Tcp(stream)
            }),
            Target::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
        };
        let stream = stream.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Failure::Timeout,
            _ => Failure::Connect(error),
        })?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            open: true,
        })
    }

    /// The client's own port.
    pub(crate) fn local_port(&self) -> u16 {
        match &self.stream {
            Stream::Tcp(stream) => stream.local_addr().unwrap().port(),
            Stream::Unix(_) => 0,
        }
    }

    /// Whether the server has kept it open, which every HTTP client checks before it reuses a connection.
    pub(crate) fn is_reusable(&self) -> bool {
        if !self.open || !self.buffer.is_empty() {
            return false;
        }
        let mut byte = [0];
        let quiet = match &self.stream {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(true).unwrap();
                let peeked = stream.peek(&mut byte);
                stream.set_nonblocking(false).unwrap();
                peeked
            }
            Stream::Unix(stream) => {
                stream.set_nonblocking(true).unwrap();
                let mut reader = stream;
                let read = reader.read(&mut byte);
                stream.set_nonblocking(false).unwrap();
                read
            }
        };
        matches!(quiet, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends one request and reads the complete response.
    pub(crate) fn send(&mut self, request: &Request) -> Result<Response, Failure> {
        let started = Instant::now();
        let deadline = started + request.timeout;
        self.write(request.head().as_bytes(), deadline)?;
        if let Some(body) = &request.body {
            // A server may respond and close before it has read the body: the response is valid.
            if let Err(failure) = self.write(body, deadline)
                && !matches!(failure, Failure::Broken { .. })
            {
                return Err(failure);
            }
        }
        let mut response = self.read_response(request.method, deadline)?;
        response.took = started.elapsed();
        Ok(response)
    }

    /// Sends raw bytes, for invalid and incomplete requests.
    pub(crate) fn write(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Failure> {
        let left = remaining(deadline)?;
        let sent = match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_write_timeout(Some(left)).unwrap();
                stream.write_all(bytes)
            }
            Stream::Unix(stream) => {
                stream.set_write_timeout(Some(left)).unwrap();
                stream.write_all(bytes)
            }
        };
        sent.map_err(|error| broken("sending", error))
    }

    /// Reads bytes to the first one after `end`.
    pub(crate) fn read_until(&mut self, end: &str, deadline: Instant) -> Result<String, Failure> {
        loop {
            if let Some(at) = find(&self.buffer, end.as_bytes()) {
                let read: Vec<u8> = self.buffer.drain(..at + end.len()).collect();
                return Ok(String::from_utf8_lossy(&read).into_owned());
            }
            if !self.fill(deadline)? {
                return Err(Failure::Closed {
                    got: self.buffer.len(),
                });
            }
        }
    }

    /// Reads all bytes until the connection ends, however it ends.
    pub(crate) fn read_until_closed(&mut self, deadline: Instant) -> Result<Vec<u8>, Failure> {
        loop {
            match self.fill(deadline) {
                Ok(true) => {}
                Ok(false) | Err(Failure::Broken { .. }) => {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Reads one response.
    pub(crate) fn read_response(
        &mut self,
        method: &str,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if !self.fill(deadline)? {
                return Err(Failure::Closed {
                    got: self.buffer.len(),
                });
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let mut response = parse_head(&head[..end])?;
        response.body = if method == "HEAD" || response.status == 204 || response.status == 304 {
            Vec::new()
        } else if response
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            self.read_chunks(deadline)?
        } else if let Some(length) = response.header("content-length") {
            let length = length
                .parse()
                .map_err(|_| Failure::Malformed(format!("content-length {length}")))?;
            self.take(length, deadline)?
        } else {
            self.open = false;
            while self.fill(deadline)? {}
            std::mem::take(&mut self.buffer)
        };
        if response.closes() {
            self.open = false;
        }
        Ok(response)
    }

    fn read_chunks(&mut self, deadline: Instant) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        loop {
            let line = self.take_line(deadline)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| Failure::Malformed(format!("chunk size {line:?}")))?;
            body.extend(self.take(size, deadline)?);
            if !self.take_line(deadline)?.is_empty() {
                return Err(Failure::Malformed("a chunk without its end".to_owned()));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn take_line(&mut self, deadline: Instant) -> Result<String, Failure> {
        let line = self.read_until("\r\n", deadline)?;
        Ok(line[..line.len() - 2].to_owned())
    }

    fn take(&mut self, length: usize, deadline: Instant) -> Result<Vec<u8>, Failure> {
        while self.buffer.len() < length {
            if !self.fill(deadline)? {
                return Err(Failure::Closed {
                    got: self.buffer.len(),
                });
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads the available bytes; false at the end of the stream.
    fn fill(&mut self, deadline: Instant) -> Result<bool, Failure> {
        let left = remaining(deadline)?;
        let mut chunk = [0; 16 * 1024];
        let read = match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(left)).unwrap();
                stream.read(&mut chunk)
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(left)).unwrap();
                stream.read(&mut chunk)
            }
        };
        let read = read.map_err(|error| broken("receiving", error))?;
        self.buffer.extend_from_slice(&chunk[..read]);
        if read == 0 {
            self.open = false;
        }
        Ok(read > 0)
    }
}

fn remaining(deadline: Instant) -> Result<Duration, Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(Failure::Timeout)
    } else {
        Ok(left)
    }
}

fn broken(sent: &'static str, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::Timeout,
        _ => Failure::Broken { sent, error },
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
