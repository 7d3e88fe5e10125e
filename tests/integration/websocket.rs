//! A WebSocket client, and services that speak WebSocket with packages from PyPI.

use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tungstenite::client::ClientRequestBuilder;
use tungstenite::error::ProtocolError;
use tungstenite::{Error, Message};

use crate::running::Running;
use crate::service::Service;

/// For each message, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a connection has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// With a close frame of this code.
    Closed(u16),
    /// Without one.
    Broken,
}

/// An open WebSocket.
pub(crate) struct WebSocket(tungstenite::WebSocket<TcpStream>);

impl WebSocket {
    #[track_caller]
    pub(crate) fn open(running: &Running, path: &str) -> Self {
        Self::open_with(running, path, &[])
    }

    #[track_caller]
    pub(crate) fn open_with(running: &Running, path: &str, headers: &[(&str, &str)]) -> Self {
        let stream = TcpStream::connect(running.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let uri = format!("ws://{}{path}", running.address).parse().unwrap();
        let request = headers
            .iter()
            .fold(ClientRequestBuilder::new(uri), |request, (name, value)| {
                request.with_header(*name, *value)
            });
        match tungstenite::client(request, stream) {
            Ok((socket, answer)) => {
                assert_eq!(answer.status(), 101, "{path}");
                Self(socket)
            }
            Err(error) => panic!("{path} is not upgraded: {error}"),
        }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, message: Message) {
        self.0.send(message).unwrap();
    }

    /// The next message, of whatever kind.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Message {
        self.0.read().unwrap()
    }

    #[track_caller]
    pub(crate) fn receive_text(&mut self) -> String {
        match self.receive() {
            Message::Text(text) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// Sends a message, which must come back.
    #[track_caller]
    pub(crate) fn echo(&mut self, message: &Message) {
        self.send(message.clone());
        let back = self.receive();
        assert!(back == *message, "{} bytes back", back.len());
    }

    /// Closes it as a browser does, and reads to its end. simple-websocket may end before it has answered the close
    /// frame (its thread wakes the view first), so either end is right.
    #[track_caller]
    pub(crate) fn close(mut self) {
        self.0.close(None).unwrap();
        self.read_end();
    }

    /// Reads to its end, answering the close frame.
    #[track_caller]
    pub(crate) fn read_end(&mut self) -> End {
        let end = Instant::now() + PATIENCE;
        let mut code = None;
        while Instant::now() < end {
            match self.0.read() {
                Ok(Message::Close(frame)) => {
                    code = Some(frame.map_or(1005, |frame| frame.code.into()));
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(
                    Error::ConnectionClosed
                    | Error::AlreadyClosed
                    | Error::Io(_)
                    | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ) => return code.map_or(End::Broken, End::Closed),
                // Anything else is not WebSocket.
                Err(error) => panic!("the connection ends with {error}"),
            }
        }
        panic!("still open after {PATIENCE:?}");
    }
}

/// A virtual environment with flask-sock and Flask-SocketIO, made once.
fn packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/websocket");
        let complete = venv.join("complete");
        if !complete.exists() {
            run(Command::new("/usr/bin/python3")
                .args(["-m", "venv"])
                .arg(&venv));
            run(Command::new(venv.join("bin/pip")).args([
                "install",
                "--quiet",
                "flask-sock",
                "flask-socketio",
            ]));
            std::fs::write(complete, "").unwrap();
        }
        venv
    })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// A service with this application and those packages.
pub(crate) fn service(main_py: &str, section: &serde_json::Value) -> Service {
    let service = Service::empty().main_py(main_py).nginx_config(section);
    symlink(packages(), service.root().join("venv")).unwrap();
    service
}
