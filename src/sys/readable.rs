//! Waits until a descriptor can be read.
#![expect(
    unsafe_code,
    reason = "tokio asks who registers a descriptor to own it"
)]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that the event loop watches, as long as this lives.
#[derive(Debug)]
pub(super) struct Readable(AsyncFd<OwnedFd>);

impl Readable {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the descriptor is owned by the result, which does not give it away.
        let readable = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self(readable?))
    }

    pub(super) async fn wait(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }
}

/// Waits until a listening socket has a connection. It is watched only meanwhile: a socket that stays registered would wake
/// the launcher for each connection.
pub(crate) async fn until_readable(listener: &OwnedFd) -> io::Result<()> {
    Readable::new(listener.try_clone()?)?.wait().await
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_connection_ends_the_wait_whether_it_comes_before_or_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let fd = OwnedFd::from(listener.try_clone().unwrap());
        let waits = tokio::time::timeout(Duration::from_millis(20), until_readable(&fd));
        assert!(waits.await.is_err(), "there is none");
        let connects = async { UnixStream::connect(&path).unwrap() };
        let limit = Duration::from_secs(10);
        let (waited, _client) =
            tokio::join!(tokio::time::timeout(limit, until_readable(&fd)), connects);
        waited.unwrap().unwrap();
        let again = tokio::time::timeout(limit, until_readable(&fd)).await;
        again.unwrap().unwrap();
        drop(listener);
    }
}
