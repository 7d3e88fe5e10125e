//! The queue of requests that wait for a slot: the listen queue of the application's socket.
//!
//! nginx connects to that socket only when it has a whole request, and the kernel serves it in order. The launcher, which
//! owns the socket, looks at it ten times a second: `waits` knows since when each connection waits, and what has
//! waited for too long is accepted by the launcher itself and answered in `shed`. A request that a worker has accepted is
//! out of its reach.

mod shed;
mod waits;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Weak;
use std::time::{Duration, Instant};

use self::waits::Waits;
use crate::status::QueueStatus;
use crate::sys::sock_diag::listen_queue::ListenQueue;

/// Interval between two looks at the queue. A look costs 10 µs.
const INTERVAL: Duration = Duration::from_millis(100);

/// The queue, shared by those who ask about it and the task that looks at it.
#[derive(Clone, Debug)]
pub(crate) struct RequestQueue(Rc<WatchedQueue>);

#[derive(Debug)]
struct WatchedQueue {
    started: Instant,
    /// How long a request may wait; none: without limit.
    limit: Cell<Option<Duration>>,
    waits: RefCell<Waits>,
    /// Whether the last look succeeded.
    seen: Cell<bool>,
}

impl RequestQueue {
    /// A queue that nobody looks at yet. `limit`: how long a request may wait; none: without limit.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self(Rc::new(WatchedQueue {
            started: Instant::now(),
            limit: Cell::new(limit),
            waits: RefCell::default(),
            seen: Cell::new(false),
        }))
    }

    /// Changes how long a request may wait, also for those that wait already.
    pub(crate) fn set_limit(&self, limit: Option<Duration>) {
        self.0.limit.set(limit);
    }

    /// How many requests wait, and since when; none when the system does not tell.
    pub(crate) fn status(&self) -> Option<QueueStatus> {
        let waits = self.0.waits.borrow();
        self.0.seen.get().then(|| QueueStatus {
            waiting: waits.count(),
            oldest_seconds: waits.oldest(self.now()).as_secs_f64(),
        })
    }

    /// Looks at the socket until it is closed. Needs a `LocalSet`.
    pub(crate) async fn watch(self, socket: Weak<OwnedFd>) {
        let mut queue = None;
        let mut told = false;
        loop {
            tokio::time::sleep(self.until_next_look()).await;
            let Some(socket) = socket.upgrade() else {
                return;
            };
            let looked = self.look(&socket, &mut queue);
            self.0.seen.set(looked.is_ok());
            if let Err(error) = looked
                && !std::mem::replace(&mut told, true)
            {
                tracing::warn!(
                    %error,
                    hint = "queue_timeout has no effect and the number of waiting requests is unknown: the kernel needs CONFIG_UNIX_DIAG, the sandbox AF_NETLINK",
                    "Cannot look at the queue of requests."
                );
            }
        }
    }

    fn look(&self, socket: &OwnedFd, queue: &mut Option<ListenQueue>) -> io::Result<()> {
        let queue = match queue {
            Some(queue) => queue,
            None => queue.insert(ListenQueue::of(socket)?),
        };
        loop {
            let waiting = queue.waiting()?;
            let mut waits = self.0.waits.borrow_mut();
            waits.update(&waiting, self.now());
            let oldest = waits.oldest(self.now());
            if waits.count() == 0 || self.0.limit.get().is_none_or(|limit| oldest < limit) {
                return Ok(());
            }
            // One at a time, with a look in between: a worker may take the oldest at any moment.
            if !shed::shed_oldest(socket)? {
                return Ok(());
            }
        }
    }

    fn until_next_look(&self) -> Duration {
        let waits = self.0.waits.borrow();
        match self.0.limit.get() {
            Some(limit) if waits.count() > 0 => {
                limit.saturating_sub(waits.oldest(self.now())).min(INTERVAL)
            }
            Some(_) | None => INTERVAL,
        }
    }

    fn now(&self) -> Duration {
        self.0.started.elapsed()
    }
}
