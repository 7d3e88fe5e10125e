//! Where the running launcher is, and one request to it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::net::UnixStream;

use super::trust::{self, Found, Stranger, Users};
use crate::exit::Failure;
use crate::http::client::{self, ClientError};
use crate::plan::layout;
use crate::runtime_dir::RuntimeDirs;
use crate::sys::runtime;
use crate::sys::socket_file::{self, SocketFile};

/// For everything that the launcher answers from its loop, which takes well below a second.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// A launcher that is assumed to run with one of these runtime folders.
#[derive(Debug)]
pub(crate) struct Launcher {
    dirs: RuntimeDirs,
}

/// What has become of a request to one folder.
enum Attempt {
    Answered(StatusCode, Bytes),
    Failed(ClientError),
    /// A server that may only pretend to be the launcher was not asked.
    Distrusted(Stranger),
}

impl Launcher {
    pub(crate) fn new(dirs: RuntimeDirs) -> Self {
        Self { dirs }
    }

    /// Sends one request to the first control socket that accepts a connection and is a launcher's; gives status and body
    /// of the answer.
    pub(super) fn ask(
        &self,
        method: &Method,
        path: &str,
        timeout: Duration,
    ) -> Result<(StatusCode, Bytes), Failure> {
        runtime::block_on(self.answer(method, path, timeout))?
    }

    /// The same, for a command that has a runtime.
    pub(super) async fn answer(
        &self,
        method: &Method,
        path: &str,
        timeout: Duration,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let tried = self.dirs.candidates();
        let mut first: Option<ClientError> = None;
        let mut strangers = Vec::new();
        for folder in &tried {
            match self.ask_in(folder, method.clone(), path, timeout).await {
                Attempt::Answered(status, body) => return Ok((status, body)),
                Attempt::Distrusted(stranger) => strangers.push(stranger),
                Attempt::Failed(error @ ClientError::Broken { .. }) => {
                    return Err(Failure::NoLauncher { error, tried });
                }
                // The launcher may be in the next folder. The error about a socket that exists says more than
                // one about a socket that does not.
                Attempt::Failed(error)
                    if first.as_ref().is_none_or(is_missing) && !is_missing(&error) =>
                {
                    first = Some(error);
                }
                Attempt::Failed(error) => first = first.or(Some(error)),
            }
        }
        if !strangers.is_empty() {
            return Err(Failure::OnlyStrangers(trust::strangers(&strangers)));
        }
        let error =
            first.ok_or_else(|| Failure::Bug("there is no folder to look in".to_owned()))?;
        Err(Failure::NoLauncher { error, tried })
    }

    /// Nothing is sent before the server's user is known.
    async fn ask_in(
        &self,
        folder: &Path,
        method: Method,
        path: &str,
        timeout: Duration,
    ) -> Attempt {
        let socket = layout::control_socket(folder);
        let connected = tokio::time::timeout(timeout, connect(folder, &socket)).await;
        let (stream, folder_owner) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(source)) => return Attempt::Failed(ClientError::Connect { socket, source }),
            Err(_) => {
                let limit = timeout;
                return Attempt::Failed(ClientError::Silent { socket, limit });
            }
        };
        let server = match stream.peer_cred() {
            Ok(server) => server.uid(),
            Err(source) => return Attempt::Failed(ClientError::Connect { socket, source }),
        };
        let users = Users {
            client: nix::unistd::geteuid().as_raw(),
            server,
            folder_owner,
            init: socket_file::user_of_init(),
        };
        if !trust::is_trusted(users, self.found(folder)) {
            return Attempt::Distrusted(Stranger {
                folder: folder.to_owned(),
                user: user(server),
                may_be_asked: users.client == 0 && server == folder_owner,
            });
        }
        match client::ask(stream, &socket, method, path, timeout).await {
            Ok((status, body)) => Attempt::Answered(status, body),
            Err(error) => Attempt::Failed(error),
        }
    }

    fn found(&self, folder: &Path) -> Found {
        if self.dirs.asked.is_some() {
            Found::Asked
        } else if socket_file::is_in_roots_hands(folder) {
            Found::InRootsHands
        } else {
            Found::Anywhere
        }
    }
}

/// A connection to the socket, and the owner of the runtime folder.
async fn connect(folder: &Path, socket: &Path) -> std::io::Result<(UnixStream, u32)> {
    let name = socket
        .strip_prefix(folder)
        .map_or_else(|_| socket.to_owned(), PathBuf::from);
    let file = SocketFile::open(folder, &name)?;
    let stream = UnixStream::connect(file.path()).await?;
    Ok((stream, file.folder_owner))
}

/// A user for a message: name and number.
fn user(uid: u32) -> String {
    // A user may be in no list of names; the number says enough.
    match nix::unistd::User::from_uid(uid.into()).ok().flatten() {
        Some(known) => format!("{} ({uid})", known.name),
        None => uid.to_string(),
    }
}

fn is_missing(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect { source, .. } if source.kind() == ErrorKind::NotFound)
}
