//! The client of uWSGI's stats socket, which reports the state of each worker.
//!
//! It is the only reliable sign of readiness: the application's socket exists and READY=1 is sent before the workers
//! accept. The statistics hold whole request headers, cookies and tokens included, so they are never passed on as they
//! are: only the fields of [`Worker`] leave this module.
//!
//! Each answer is completed with what the kernel says about the processes, and the last one is kept ([`Reading`]): everybody
//! else reads that. The kernel still knows who is alive when uWSGI's master is stopped, or hangs.
//!
//! The socket is in a folder of the workers' user, so the application can replace it: the input is treated as hostile,
//! and its cost is limited. Input beyond a limit is an error; it is never truncated.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::UnixStream;

use super::reading::Reading;
use super::stats_json::{self, Statistics};
use super::worker::{Existence, Usage, Worker};
use crate::sys::file_user;
use crate::sys::process_stat;
use crate::sys::sockets;

/// uWSGI answers from its master's loop, which may be busy reaping; beyond this time it is hung.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of the statistics per slot, at most. The variables of a request are at most 64 KiB (buffer-size), and at most
/// twice as much as JSON: quotes and backslashes are doubled, and the five bytes around each variable stand for four in
/// the buffer. The rest is for numbers, and uWSGI's metrics when they are on.
const BYTES_PER_SLOT: u64 = 136 * 1024;
/// Bytes of everything else, at most.
const BASE_BYTES: u64 = 256 * 1024;
/// Upper limit for any number of slots: hundreds of requests of the largest size that nginx passes, or thousands of
/// usual ones.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The address of a stats socket, and what it has told last.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) path: PathBuf,
    /// Request slots of its uWSGI, from which the size limit of the statistics follows.
    pub(super) slots: u32,
    latest: Rc<RefCell<Reading>>,
}

impl Socket {
    pub(super) fn new(path: PathBuf, slots: u32) -> Self {
        Self {
            path,
            slots,
            latest: Rc::default(),
        }
    }

    /// The last answer, with what the kernel said about the processes then.
    pub(super) fn latest(&self) -> Reading {
        self.latest.borrow().clone()
    }

    /// The last answer, without workers if the process that gave it has ended since: its successor is not there yet, or
    /// still imports the application.
    pub(super) fn present(&self) -> Reading {
        let mut latest = self.latest();
        let master = process_stat::read(latest.statistics.master);
        if master.is_none_or(|master| process_stat::has_ended(master.state)) {
            latest.statistics.workers.clear();
        }
        latest
    }

    /// Asks the kernel about the processes of the last answer: what it says counts when uWSGI is silent. No worker is left
    /// when the process that gave the answer is not a child of the launcher any more.
    pub(super) fn ask_kernel(&self) {
        let mut latest = self.latest.borrow_mut();
        if !ask_kernel(&mut latest.statistics) {
            latest.statistics.workers.clear();
        }
    }
}

/// Reads and parses the statistics, and asks the kernel; an error of the kind `TimedOut` after [`TIMEOUT`]. Without an
/// answer the last one is kept, with what the kernel says now.
pub(super) async fn read(socket: &Socket) -> io::Result<Vec<Worker>> {
    let exchange = async {
        let folder = socket.path.parent().unwrap_or(Path::new("."));
        let stream = file_user::as_owner_of(folder, || sockets::connect(&socket.path))?;
        let stream = UnixStream::from_std(stream)?;
        stats_json::parse(read_limited(stream, max_bytes(socket.slots)).await?)
    };
    let answer = tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let mut statistics = answer.inspect_err(|_| socket.ask_kernel())?;
    ask_kernel(&mut statistics);
    let workers = statistics.workers.clone();
    socket.latest.borrow_mut().update(statistics);
    Ok(workers)
}

/// Asks the kernel about each worker. False, and everybody counts as alive, when it does not know the main process as a
/// child of the launcher: then the numbers do not mean what they mean here.
fn ask_kernel(statistics: &mut Statistics) -> bool {
    let Statistics { master, workers } = statistics;
    let parent = process_stat::read(*master).map(|stat| stat.parent);
    if parent != i32::try_from(std::process::id()).ok() {
        return false;
    }
    // uWSGI knows itself that a worker without a number has no process yet.
    for worker in workers.iter_mut().filter(|worker| worker.pid > 0) {
        let stat = process_stat::read(worker.pid);
        worker.usage = stat.as_ref().map(|stat| Usage {
            cpu: stat.cpu,
            threads: stat.threads,
            rss: stat.rss,
            started: stat.started,
        });
        let stat = stat
            .as_ref()
            .map(|stat| (stat.name.as_str(), stat.state, stat.parent));
        worker.existence = Existence::of(stat, *master);
    }
    true
}

/// The size limit for the statistics of a uWSGI with this number of slots.
fn max_bytes(slots: u32) -> u64 {
    (BASE_BYTES + u64::from(slots) * BYTES_PER_SLOT).min(MAX_BYTES)
}

/// Reads to the end of the stream; more than `limit` bytes are an error.
async fn read_limited(stream: impl AsyncRead + Unpin, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = stream.take(limit + 1).read_to_end(&mut bytes).await?;
    if u64::try_from(length).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    let what = format!("its statistics are larger than {} KiB", limit / 1024);
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn input_beyond_the_limit_is_an_error_and_not_truncated() {
        let honest = b"0123456789".as_slice();
        assert_eq!(read_limited(honest, 10).await.unwrap(), honest);
        let error = read_limited(tokio::io::repeat(b'x'), 10).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(max_bytes(17) < 3 * 1024 * 1024);
        assert_eq!(max_bytes(u32::MAX), MAX_BYTES);
    }

    #[test]
    fn a_main_process_that_has_ended_has_no_workers() {
        let worker = r#"{"id":1,"pid":7,"accepting":1}"#;
        let workers_of = |master: u32| {
            let text = format!(r#"{{"pid":{master},"workers":[{worker}]}}"#);
            let socket = Socket::new(PathBuf::new(), 1);
            let statistics = stats_json::parse(text.into_bytes()).unwrap();
            socket.latest.borrow_mut().update(statistics);
            socket.present().workers().len()
        };
        assert_eq!(workers_of(std::process::id()), 1);
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        assert_eq!(workers_of(ended.id()), 0);
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
