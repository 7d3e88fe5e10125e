//! The handle: starts the log, gives out its pipes, answers questions about it, and ends it.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::{pipe2, write},
};

use tokio::sync::mpsc;

use super::{
    emitter::EventEmitter,
    reader::{self, SourcePipe},
    shared::Shared,
    shared_queue::FinalRecord,
    stdout::StdoutWriter,
    writer,
};
use crate::logs::lines::origin::LineMark;
use crate::logs::lines::source_stage::SourceStage;
use crate::logs::observed::Observer;
use crate::logs::options::{Format, LogOptions};
use crate::logs::queue::counters::{Counters, Summary};
use crate::logs::queue::recent_errors::RecentError;
use crate::logs::record::{Level, Source, WorkerEvent};

/// The size of a pipe in bytes: it gives the reader time when everything logs at once.
const PIPE_SIZE: i32 = 1 << 20;

/// How many events of workers may wait for the launcher's loop.
const WORKER_EVENTS: usize = 4096;

/// The wait for the writer after the limit; it ends at once unless a terminal holds its write.
const GRACE: Duration = Duration::from_millis(100);

/// The running log.
#[derive(Debug)]
pub struct Logs {
    shared: Arc<Shared>,
    emitter: EventEmitter,
    mark: LineMark,
    /// The write ends, in the order of [`Source::PIPED`].
    pipes: Vec<OwnedFd>,
    /// Wakes the reader.
    wake: OwnedFd,
    /// Ends every wait of the writer when it is closed.
    stop: OwnedFd,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
    worker_events: Option<mpsc::Receiver<WorkerEvent>>,
}

/// Starts both threads; records below `least` are left out, and `out` is a duplicate of fd 1, whose flags are not changed.
/// Fails when the system refuses a pipe, a thread or random bytes.
pub fn start(format: Format, least: Level, options: LogOptions, out: OwnedFd) -> io::Result<Logs> {
    let (workers, worker_events) = mpsc::channel(WORKER_EVENTS);
    let shared = Arc::new(Shared::new(&options, workers));
    let mark = LineMark::new(random()?);
    let mut pipes = Vec::new();
    let mut sources = Vec::new();
    for source in Source::PIPED {
        let (ours, theirs) = pipe()?;
        sources.push(SourcePipe {
            pipe: ours,
            stage: SourceStage::new(source, format, mark).from_level(least),
        });
        pipes.push(theirs);
    }
    let (woken, wake) = pipe()?;
    let (stopped, stop) = pipe()?;
    let stdout = StdoutWriter::new(out, stopped)?;
    let writer = thread::Builder::new().name("stdout".into()).spawn({
        let shared = Arc::clone(&shared);
        move || writer::run(&shared, &stdout, format)
    })?;
    let reader = thread::Builder::new().name("logs".into()).spawn({
        let shared = Arc::clone(&shared);
        move || reader::run(&shared, sources, &woken, format, least)
    })?;
    let emitter = EventEmitter::new(Arc::clone(&shared), format, least);
    Ok(Logs {
        shared,
        emitter,
        mark,
        pipes,
        wake,
        stop,
        reader,
        writer,
        worker_events: Some(worker_events),
    })
}

/// The secret that marks log lines, from getrandom(2).
fn random() -> io::Result<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

/// A pipe whose read end does not block. The write end must block: children are not prepared for anything else.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    // Refused when the user's share of pipe memory is used up; 64 KiB are enough, too.
    let _ = fcntl(&ours, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
    Ok((ours, theirs))
}

/// Questions about the log.
#[derive(Clone, Debug)]
pub struct LogAccounts(Arc<Shared>);

impl LogAccounts {
    /// The accounts of the records so far.
    pub fn counters(&self) -> Counters {
        self.0.queue.counters()
    }

    /// The last errors, the oldest first.
    pub fn recent_errors(&self) -> Vec<RecentError> {
        self.0.errors.since(0)
    }
}

impl Logs {
    /// The end that children of this source write to. It is closed on exec and blocks; nginx opens
    /// it again by name, so its user must own it. The launcher has no pipe; for it this is the
    /// application's stderr, where at least nothing is lost.
    pub fn pipe(&self, source: Source) -> BorrowedFd<'_> {
        let place = Source::PIPED.iter().position(|&piped| piped == source);
        self.pipes[place.unwrap_or(Source::PIPED.len() - 1)].as_fd()
    }

    /// The secret that the entry module puts into the heads of its lines. It stays the same as long as the launcher runs,
    /// because after a reload lines of old and of new workers come through the same pipe.
    pub fn nonce(&self) -> &str {
        self.mark.nonce()
    }

    /// For the launcher's own records.
    pub fn emitter(&self) -> EventEmitter {
        self.emitter.clone()
    }

    /// Lets somebody count what passes from now on; a second one is not taken.
    pub fn set_observer(&self, observer: Arc<dyn Observer>) {
        // The first one stays.
        let _: Result<(), _> = self.shared.observer.set(observer);
    }

    /// What can be asked about the log while it runs, and after that.
    pub fn accounts(&self) -> LogAccounts {
        LogAccounts(Arc::clone(&self.shared))
    }

    /// How many errors were recorded so far: a position for a later [`Logs::errors_since`].
    pub fn error_cursor(&self) -> u64 {
        self.shared.errors.cursor()
    }

    /// The errors that were recorded after `cursor` was taken, the oldest first; the last 20 of them where there were more.
    pub fn errors_since(&self, cursor: u64) -> Vec<RecentError> {
        self.shared.errors.since(cursor)
    }

    /// What uWSGI's log says about its workers; none at a second call.
    pub fn take_worker_events(&mut self) -> Option<mpsc::Receiver<WorkerEvent>> {
        self.worker_events.take()
    }

    /// Changes the options while the log runs.
    pub fn set_options(&self, options: LogOptions) {
        self.shared.queue.set_options(&options);
    }

    /// To be called when the children are asked to stop: from now on none of them waits for stdout, which
    /// [`OnFull::Block`](crate::logs::OnFull::Block) makes them do; a child that waits cannot end. What they write meanwhile
    /// may exceed the buffer by 16 MiB.
    pub fn children_stopping(&self) {
        self.shared.queue.children_stopping();
    }

    /// As [`Logs::finish`], with a last record of the launcher after everything that the children wrote.
    pub fn finish_with(self, limit: Duration, level: Level, message: &str) -> Summary {
        let message = message.to_owned();
        self.drain(limit, Some(FinalRecord { level, message }))
    }

    /// Reads what is left in the pipes, writes everything, and ends, within `limit`. To be called when
    /// the children are gone: it does not wait for the end of their pipes, which a forgotten grandchild
    /// may hold for ever.
    pub fn finish(self, limit: Duration) -> Summary {
        self.drain(limit, None)
    }

    fn drain(self, limit: Duration, final_record: Option<FinalRecord>) -> Summary {
        let now = Instant::now();
        // Half of the time for reading, even if a grandchild writes without end; half for writing.
        self.shared.queue.drain(now + limit / 2, final_record);
        // A full pipe wakes the reader as well, and a reader that has ended need not be woken.
        let _ = write(&self.wake, b"!");
        let mut ended = self.shared.queue.wait_written(now + limit);
        if !ended {
            drop(self.stop);
            ended = self.shared.queue.wait_written(Instant::now() + GRACE);
        }
        if ended {
            // Both threads end now. A panic would have ended the launcher, so there is no result to check.
            let _ = self.reader.join();
            let _ = self.writer.join();
        }
        let counters = self.shared.queue.counters();
        let complete = ended && self.shared.queue.is_drained() && counters.dropped().lines == 0;
        Summary { counters, complete }
    }
}
