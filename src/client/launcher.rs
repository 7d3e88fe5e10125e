//! Where the running launcher is, and one request to it.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use crate::exit::Failure;
use crate::http::client::{self, ClientError};
use crate::plan::layout;
use crate::runtime_dir::RuntimeDirs;
use crate::sys::runtime;

/// For everything that the launcher answers from its loop, which takes well below a second.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// A launcher that is assumed to run with one of these runtime folders.
#[derive(Debug)]
pub(crate) struct Launcher {
    dirs: RuntimeDirs,
}

impl Launcher {
    pub(crate) fn new(dirs: RuntimeDirs) -> Self {
        Self { dirs }
    }

    /// Sends one request to the first control socket that accepts a connection; gives status and body of the answer.
    pub(super) fn ask(
        &self,
        method: &Method,
        path: &str,
        timeout: Duration,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let tried = self.dirs.candidates();
        let mut first: Option<ClientError> = None;
        for folder in &tried {
            let socket = layout::control_socket(folder);
            let exchange = client::ask(&socket, method.clone(), path, timeout);
            match runtime::block_on(exchange)? {
                Ok(answer) => return Ok(answer),
                Err(error @ ClientError::Broken { .. }) => {
                    return Err(Failure::NoLauncher { error, tried });
                }
                // The launcher may be in the next folder. The error about a socket that exists says more than
                // one about a socket that does not.
                Err(error) if first.as_ref().is_none_or(is_missing) && !is_missing(&error) => {
                    first = Some(error);
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        let error =
            first.ok_or_else(|| Failure::Bug("there is no folder to look in".to_owned()))?;
        Err(Failure::NoLauncher { error, tried })
    }
}

fn is_missing(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect { source, .. } if source.kind() == ErrorKind::NotFound)
}
