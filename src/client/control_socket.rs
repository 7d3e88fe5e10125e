//! Finds the control socket of the running launcher, and asks it.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use crate::cli::ServiceOptions;
use crate::context;
use crate::exit::Failure;
use crate::http::client::{self, ClientError};
use crate::plan::layout;
use crate::sys::runtime;

/// The launcher answers from its loop in well below a second; health checks and reloads have limits of their own.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one request, gives status and body.
pub(super) fn ask(
    options: &ServiceOptions,
    method: &Method,
    path: &str,
    timeout: Duration,
) -> Result<(StatusCode, Bytes), Failure> {
    let tried = context::asked_folders(options, &context::environment());
    let mut first: Option<ClientError> = None;
    for folder in &tried {
        let socket = layout::control_socket(folder);
        let asked = client::ask(&socket, method.clone(), path, timeout);
        match runtime::block_on(asked)? {
            Ok(answer) => return Ok(answer),
            Err(error @ ClientError::Broken { .. }) => {
                return Err(Failure::NoLauncher { error, tried });
            }
            // No launcher listens there; it may in the next folder. The error of a socket that exists tells most.
            Err(error) if first.as_ref().is_none_or(is_missing) && !is_missing(&error) => {
                first = Some(error);
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    let error = first.ok_or_else(|| Failure::Bug("there is no folder to look in".to_owned()))?;
    Err(Failure::NoLauncher { error, tried })
}

fn is_missing(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect { source, .. } if source.kind() == ErrorKind::NotFound)
}
