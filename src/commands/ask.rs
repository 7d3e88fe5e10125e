//! Asking the running launcher over its control socket.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use super::context;
use crate::cli::ServiceOptions;
use crate::exit::Failure;
use crate::http::client::{self, ClientError};
use crate::plan::layout;

/// The launcher answers from its loop in well below a second, but for a health check, which has its own limit.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Sends one request, gives status and body.
pub fn ask(
    options: &ServiceOptions,
    method: &Method,
    path: &str,
    patience: Duration,
) -> Result<(StatusCode, Bytes), Failure> {
    let tried = context::asked_folders(options, &context::environment());
    let mut first: Option<ClientError> = None;
    for folder in &tried {
        let socket = layout::control_socket(folder);
        let asked = client::ask(&socket, method.clone(), path, patience);
        match on_a_runtime(asked)? {
            Ok(answer) => return Ok(answer),
            Err(error @ ClientError::Broken { .. }) => {
                return Err(Failure::NoLauncher { error, tried });
            }
            // Nobody listens there: the launcher may be in the next one. A socket that is there tells most.
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

/// Runs one future to its end.
pub fn on_a_runtime<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::System {
            what: "start the event loop",
            source,
        })?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, future))
}
