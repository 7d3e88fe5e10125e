//! How synchronous code runs one future: on a tokio runtime of this thread, made for it and dropped after it.
#![forbid(unsafe_code)]

use std::io;

/// Blocks until the future is ready. The future may call `spawn_local`: its tasks need not be `Send`, and those that are
/// left when it ends are dropped. Fails when the kernel has no epoll instance or pipe to give.
pub(crate) fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, future))
}
