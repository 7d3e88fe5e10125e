//! The async runtime: one thread, on which children are started and futures need not be `Send`.
#![forbid(unsafe_code)]

use std::io;

use tokio::task::LocalSet;

/// The runtime could not be created, for lack of file descriptors for instance.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the event loop: {0}")]
pub struct RuntimeError(io::Error);

/// Runs a future to its end on the calling thread; tasks of `spawn_local` run until then, too.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, RuntimeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RuntimeError)?;
    Ok(LocalSet::new().block_on(&runtime, future))
}
