//! What uWSGI tells about its workers on its stats socket.
//!
//! It is the only sign of readiness that holds: the application's socket and READY=1 come before the workers accept.
//! The statistics hold whole request headers, cookies and tokens included, so they are never passed on as they are:
//! only what [`Worker`] names leaves this module.
//!
//! The socket stands in a folder of the workers' user, so whoever serves requests can put another in its place: what
//! comes is hostile, and has to cost little. Whatever is too much is an error, never half of the truth.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::UnixStream;

use super::stats_json;
use super::worker::Worker;

/// uWSGI answers from its master's loop, which may be busy reaping; more than this and it hangs.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that a slot may need. The variables of a request are at most 64 KiB (buffer-size), and at most twice as much as
/// JSON: quotes and backslashes are doubled, and the five bytes around each variable stand for four in the buffer. The
/// rest is for numbers, and uWSGI's metrics when they are on.
const BYTES_PER_SLOT: u64 = 136 * 1024;
/// What everything else may need.
const BYTES_BESIDE: u64 = 256 * 1024;
/// Most bytes that are ever taken: hundreds of requests as large as nginx lets them be, or thousands of usual ones.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// A stats socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Slots of the uWSGI behind it; they decide how much it may tell.
    pub(super) slots: u32,
}

/// Asks a stats socket.
pub(super) async fn read(socket: &Socket) -> io::Result<Vec<Worker>> {
    let exchange = async {
        let stream = UnixStream::connect(&socket.path).await?;
        stats_json::parse(take(stream, limit(socket.slots)).await?)
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Bytes that a uWSGI with so many slots may send.
fn limit(slots: u32) -> u64 {
    (BYTES_BESIDE + u64::from(slots) * BYTES_PER_SLOT).min(MOST_BYTES)
}

/// Everything up to the end, which must come within the limit.
async fn take(stream: impl AsyncRead + Unpin, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let taken = stream.take(limit + 1).read_to_end(&mut bytes).await?;
    if u64::try_from(taken).is_ok_and(|taken| taken <= limit) {
        return Ok(bytes);
    }
    let what = format!("its statistics are larger than {} KiB", limit / 1024);
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_too_large_is_an_error_and_not_cut() {
        let honest = b"0123456789".as_slice();
        assert_eq!(take(honest, 10).await.unwrap(), honest);
        let error = take(tokio::io::repeat(b'x'), 10).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(limit(17) < 3 * 1024 * 1024);
        assert_eq!(limit(u32::MAX), MOST_BYTES);
    }

    #[test]
    fn a_full_slot_is_within_the_limit() {
        // All of uWSGI's buffer: one variable of quotes, and as many of the shortest as there is room for.
        let quotes = format!(r#""A={}","#, r#"\""#.repeat(65_535 - 5));
        for vars in [quotes, r#""A=","#.repeat(65_535 / 5)] {
            let core = format!(r#"{{"in_request":1,"vars":[{vars}""]}}"#);
            assert!(core.len() as u64 <= BYTES_PER_SLOT, "{}", core.len());
        }
    }
}
