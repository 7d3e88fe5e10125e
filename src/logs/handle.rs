//! Starts the log, hands out its ends, and brings it to its own.

use std::{
    hash::{BuildHasher as _, RandomState},
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

use super::{
    Format, LogOptions,
    counters::{Counters, Summary},
    origin::Mark,
    outlet::Outlet,
    read::{self, Inlet},
    recent::Recent,
    record::{Level, Source},
    shared::Shared,
    sink::Sink,
    stage::Stage,
    write as writer,
};

/// What a pipe should hold: time for the reader when everything logs at once.
const PIPE_SIZE: i32 = 1 << 20;

/// After the limit the writer is told to give up; it hears that at once unless a terminal holds it.
const GRACE: Duration = Duration::from_millis(100);

/// The running log.
#[derive(Debug)]
pub struct Logs {
    shared: Arc<Shared>,
    sink: Sink,
    mark: Mark,
    /// The write ends, in the order of [`Source::PIPED`].
    pipes: Vec<OwnedFd>,
    wake: OwnedFd,
    stop: OwnedFd,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

/// Starts both threads; `out` is a duplicate of fd 1, whose flags are left as they are.
pub fn start(format: Format, options: LogOptions, out: OwnedFd) -> io::Result<Logs> {
    let shared = Arc::new(Shared::new(&options));
    let mark = Mark::new(random());
    let mut pipes = Vec::new();
    let mut inlets = Vec::new();
    for source in Source::PIPED {
        let (ours, theirs) = pipe()?;
        inlets.push(Inlet {
            pipe: ours,
            stage: Stage::new(source, format, mark),
        });
        pipes.push(theirs);
    }
    let (woken, wake) = pipe()?;
    let (stopped, stop) = pipe()?;
    let outlet = Outlet::new(out, stopped)?;
    let writer = thread::Builder::new().name("stdout".into()).spawn({
        let shared = Arc::clone(&shared);
        move || writer::run(&shared, &outlet, format)
    })?;
    let reader = thread::Builder::new().name("logs".into()).spawn({
        let shared = Arc::clone(&shared);
        move || read::run(&shared, inlets, &woken, format)
    })?;
    let sink = Sink::new(Arc::clone(&shared), format);
    Ok(Logs {
        shared,
        sink,
        mark,
        pipes,
        wake,
        stop,
        reader,
        writer,
    })
}

/// What nobody can guess. Each [`RandomState`] has keys of its own, made from what the kernel gives at random, and nobody
/// sees the hashes.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(0_u8));
    half() << 64 | half()
}

/// A pipe whose read end does not block; the write end must, for children are not prepared for it.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    // Refused when the user's share of pipe memory is spent; 64 KiB do as well.
    let _ = fcntl(&ours, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
    Ok((ours, theirs))
}

impl Logs {
    /// The end that children of this source write to. It is closed on exec and blocks; nginx opens
    /// it again by name, so its user must own it. The launcher has no pipe and gets that of the
    /// application's stderr, where at least nothing is lost.
    pub fn pipe(&self, source: Source) -> BorrowedFd<'_> {
        let place = Source::PIPED.iter().position(|&piped| piped == source);
        self.pipes[place.unwrap_or(Source::PIPED.len() - 1)].as_fd()
    }

    /// What the entry module begins the heads of its lines with. It is the same for the whole life of the launcher, because
    /// after a reload lines of the old workers come through the same pipe as those of the new.
    pub fn nonce(&self) -> &str {
        self.mark.nonce()
    }

    /// For the launcher's own records.
    pub fn sink(&self) -> Sink {
        self.sink.clone()
    }

    /// What became of the records so far.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// The last errors, the oldest first.
    pub fn recent_errors(&self) -> Vec<Recent> {
        self.shared.errors().after(0)
    }

    /// A position among the errors, for [`Logs::errors_since`].
    pub fn error_cursor(&self) -> u64 {
        self.shared.errors().total()
    }

    /// The errors logged since an earlier position, as far as they are kept.
    pub fn errors_since(&self, cursor: u64) -> Vec<Recent> {
        self.shared.errors().after(cursor)
    }

    /// Follows new options from now on.
    pub fn set_options(&self, options: LogOptions) {
        self.shared.set(&options);
    }

    /// As [`Logs::finish`], with a record of the launcher's that stands behind everything that the parts have said.
    pub fn finish_with(self, limit: Duration, level: Level, message: &str) -> Summary {
        self.shared.keep_last(level, message);
        self.finish(limit)
    }

    /// To be called when the parts are told to stop: from now on none of them waits for stdout, which
    /// [`OnFull::Block`](super::OnFull::Block) makes them do; a part that waits cannot end. A share of memory beyond the
    /// buffer keeps what they write meanwhile.
    pub fn children_stopping(&self) {
        self.shared.leave();
    }

    /// Reads what the parts have left, writes everything, and ends; for that it takes `limit` at
    /// the most. To be called when the parts are gone: it does not wait for the end of their pipes,
    /// which a forgotten grandchild may hold for ever.
    pub fn finish(self, limit: Duration) -> Summary {
        let now = Instant::now();
        // A grandchild that writes without end gets half of the time, writing it all the other.
        self.shared.drain(now + limit / 2);
        // A pipe that is full wakes the reader as well, and one without a reader has nobody to wake.
        let _ = write(&self.wake, b"!");
        let mut ended = self.shared.wait_written(now + limit);
        if !ended {
            drop(self.stop);
            ended = self.shared.wait_written(Instant::now() + GRACE);
        }
        if ended {
            // Both have said their last word; a panic has ended the launcher already.
            let _ = self.reader.join();
            let _ = self.writer.join();
        }
        let counters = self.shared.counters();
        let complete = ended && self.shared.is_drained() && counters.dropped().lines == 0;
        Summary { counters, complete }
    }
}
