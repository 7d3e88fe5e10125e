//! The queue of requests that wait for a slot: the listen queue of the application's socket.
//!
//! nginx connects to that socket only when it has a whole request, and the kernel serves it in order and refuses what is
//! beyond its backlog. The launcher, which owns the socket, looks at it often: `waits` knows since when each connection
//! waits, and what has waited for too long is accepted by the launcher itself and answered in `shed`. A request that a
//! worker has accepted is out of its reach.
//!
//! The backlog follows the load. Requests that come for free slots are in the queue, too, until the workers take them: as
//! long as there are free slots, the backlog has room for one request for each slot besides those that may wait. As soon
//! as the oldest request has not been taken at once, every slot is busy, and only as many as may wait can stay: of a burst
//! that has come just before, the oldest are refused, because only they can be reached.

pub(crate) mod shed;
mod waits;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub(crate) use self::shed::is_refusal;

use self::shed::Cause;
use self::waits::Waits;
use crate::status::QueueStatus;
use crate::sys::readable;
use crate::sys::runtime;
use crate::sys::sock_diag::listen_queue::ListenQueue;
use crate::sys::sockets;

/// Interval between two looks at the queue while requests come. A look costs 10 µs.
const INTERVAL: Duration = Duration::from_millis(25);
/// A request that has been in the queue for so long has found every slot busy: a free one takes it within a millisecond.
const ALL_BUSY_AFTER: Duration = INTERVAL;

/// Without a request for so long, the launcher looks only when the next one comes.
const QUIET: Duration = Duration::from_secs(2);
/// It looks all the same after this time: the socket may have been closed.
const LONGEST_REST: Duration = Duration::from_secs(3);

/// Requests that are refused in one look; the next one follows at once.
const MOST_AT_ONCE: usize = 64;

/// What may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueLimits {
    /// How many requests may wait while every slot is busy.
    pub(crate) size: u32,
    /// How many connections the socket takes while slots are free.
    pub(crate) places: u32,
    /// How long a request may wait; none: without limit.
    pub(crate) timeout: Option<Duration>,
}

/// The queue, shared by those who ask about it and the task that looks at it.
#[derive(Clone, Debug)]
pub(crate) struct RequestQueue(Rc<WatchedQueue>);

#[derive(Debug)]
struct WatchedQueue {
    started: Instant,
    limits: Cell<QueueLimits>,
    /// The connections that the socket takes now; none: not known.
    places: Cell<Option<u32>>,
    waits: RefCell<Waits>,
    /// Whether the last look succeeded.
    seen: Cell<bool>,
    /// Requests that were taken out.
    refused: Cell<u64>,
    /// When a request was seen last.
    busy_at: Cell<Duration>,
    /// A request has come after a quiet time.
    woken: Notify,
}

impl RequestQueue {
    /// A queue that nobody looks at yet.
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self(Rc::new(WatchedQueue {
            started: Instant::now(),
            limits: Cell::new(limits),
            places: Cell::new(None),
            waits: RefCell::default(),
            seen: Cell::new(false),
            refused: Cell::new(0),
            busy_at: Cell::new(Duration::ZERO),
            woken: Notify::new(),
        }))
    }

    /// Changes the limits, also for the requests that wait already.
    pub(crate) fn set_limits(&self, limits: QueueLimits) {
        self.0.limits.set(limits);
    }

    /// How many requests wait, and since when; none when the system does not tell.
    pub(crate) fn status(&self) -> Option<QueueStatus> {
        let waits = self.0.waits.borrow();
        self.0.seen.get().then(|| QueueStatus {
            waiting: waits.count(),
            oldest_seconds: waits.oldest(self.now()).as_secs_f64(),
        })
    }

    /// How many requests the launcher has taken out of it since it started.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.get()
    }

    /// Looks at the socket until it is closed. Needs a `LocalSet`.
    pub(crate) async fn watch(self, socket: Weak<OwnedFd>) {
        let mut queue = None;
        let mut told = false;
        let mut pause = INTERVAL;
        loop {
            // The interval between two looks.
            tokio::time::sleep(pause).await;
            let Some(socket) = socket.upgrade() else {
                return;
            };
            if self.is_quiet() {
                self.rest(&socket).await;
            }
            let looked = self.look(&socket, &mut queue);
            self.0.seen.set(looked.is_ok());
            pause = looked
                .as_ref()
                .map_or(INTERVAL, |()| self.until_next_look());
            if let Err(error) = looked
                && !std::mem::replace(&mut told, true)
            {
                tracing::warn!(
                    %error,
                    hint = "queue_timeout has no effect, the number of waiting requests is unknown, and a hung uWSGI is not noticed: the kernel needs CONFIG_UNIX_DIAG, the sandbox AF_NETLINK",
                    "Cannot look at the queue of requests."
                );
            }
        }
    }

    /// Whether no request has come for a while.
    pub(crate) fn is_quiet(&self) -> bool {
        self.now().saturating_sub(self.0.busy_at.get()) >= QUIET
    }

    /// Waits for the first request after a quiet time.
    pub(crate) async fn until_busy(&self) {
        self.0.woken.notified().await;
    }

    /// Waits for the next request. Only while it is quiet: each request would wake the launcher.
    async fn rest(&self, socket: &OwnedFd) {
        let request = readable::until_readable(socket);
        match tokio::time::timeout(runtime::until_step(Instant::now(), LONGEST_REST), request).await
        {
            Ok(Ok(())) => {
                self.0.busy_at.set(self.now());
                self.0.woken.notify_waiters();
            }
            // Then it looks as often as it does while requests come.
            Ok(Err(error)) => {
                tracing::debug!(%error, "Cannot wait for the next request.");
                self.0.busy_at.set(self.now());
            }
            Err(_) => {}
        }
    }

    fn look(&self, socket: &OwnedFd, queue: &mut Option<ListenQueue>) -> io::Result<()> {
        let limits = self.0.limits.get();
        let queue = match queue {
            Some(queue) => queue,
            None => queue.insert(ListenQueue::of(socket)?),
        };
        // The connections that are refused have to be answered, too, before there are too many of them.
        for _ in 0..MOST_AT_ONCE {
            let mut waits = self.0.waits.borrow_mut();
            waits.update(&queue.waiting()?, self.now());
            if waits.count() > 0 {
                self.0.busy_at.set(self.now());
            }
            let oldest = waits.oldest(self.now());
            let all_busy = oldest >= ALL_BUSY_AFTER;
            self.set_places(socket, if all_busy { limits.size } else { limits.places })?;
            let cause = if waits.count() > 0 && limits.timeout.is_some_and(|limit| oldest >= limit)
            {
                Cause::QueueTimeout
            } else if all_busy && waits.count() > limits.size {
                Cause::QueueFull
            } else {
                return Ok(());
            };
            // One at a time, with a look in between: a worker may take the oldest at any moment.
            if !shed::shed_oldest(socket, cause)? {
                return Ok(());
            }
            self.0.refused.set(self.0.refused.get() + 1);
        }
        Ok(())
    }

    fn set_places(&self, socket: &OwnedFd, places: u32) -> io::Result<()> {
        if self.0.places.get() != Some(places) {
            sockets::set_places(socket, places)?;
            self.0.places.set(Some(places));
        }
        Ok(())
    }

    fn until_next_look(&self) -> Duration {
        let waits = self.0.waits.borrow();
        let limits = self.0.limits.get();
        match limits.timeout {
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
