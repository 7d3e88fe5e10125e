//! The thread that reads the pipes and never waits for stdout.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::read,
};

use super::{shared::Shared, shared_queue::FinalRecord};
use crate::logs::lines::source_stage::SourceStage;
use crate::logs::options::Format;
use crate::logs::queue::batch::Batch;
use crate::logs::record::{Level, Moment, Source};
use crate::logs::writing::own_record;
use crate::logs::writing::renderer::Renderer;

/// Bytes of one read: most of a 1 MiB pipe in few calls, and still within a core's cache.
const CHUNK: usize = 128 * 1024;

/// Bytes that are rendered at once, so that a chunk of short lines does not become a batch of megabytes.
const SLICE: usize = 8 * 1024;

/// Batches are put into the queue at this size in bytes, or when there is nothing more to read.
const BATCH: usize = 64 * 1024;

/// The pause between two polls of pipes that had little to read. A busy service writes a line with each request; woken for
/// each of them, the two threads would cost five times as much as all work on the lines. The delay is not noticeable, and
/// the first line after a silence has none.
const PAUSE: Duration = Duration::from_millis(5);

/// There is no pause after this many bytes in one poll: at that rate a pipe of 64 KiB might fill up meanwhile.
const MUCH: usize = 16 * 1024;

/// While draining, the pipes count as empty when nothing came for this long. The children are dead and
/// what they wrote is in the pipes already; this is for a grandchild that is just dying.
const QUIET: Duration = Duration::from_millis(20);

/// The read end of a source's pipe, and what makes records of its bytes.
#[derive(Debug)]
pub(super) struct SourcePipe {
    pub(super) pipe: OwnedFd,
    pub(super) stage: SourceStage,
}

/// Reads until the handle starts draining, then until nothing more comes. `wake` becomes readable when draining starts, and
/// is closed when the handle is dropped.
pub(super) fn run(
    shared: &Shared,
    mut pipes: Vec<SourcePipe>,
    wake: &OwnedFd,
    format: Format,
    least: Level,
) {
    let mut reader = Reader {
        shared,
        chunk: vec![0; CHUNK],
        batch: Batch::default(),
        taken: 0,
    };
    let mut until = None;
    let mut drained = false;
    while !drained && until.is_none_or(|until| Instant::now() < until) {
        let quiet = until.map(|_| QUIET);
        let Some(ready) = reader.wait(&pipes, wake, quiet) else {
            // The handle was dropped without a call to finish: end at once.
            until = until
                .or_else(|| shared.queue.drain_until())
                .or_else(|| Some(Instant::now()));
            continue;
        };
        drained = until.is_some() && !ready.contains(&true);
        until = until.or_else(|| shared.queue.drain_until());
        let access = shared.queue.access();
        // Taken before any wait for room: a slow log does not mean that a child was silent.
        let now = shared.clock.now();
        let mut place = 0;
        pipes.retain_mut(|pipe| {
            pipe.stage.set_access(access);
            let open = !ready[place] || reader.read(pipe);
            reader.tick(pipe, now);
            place += 1;
            open
        });
        reader.put();
        if until.is_none() {
            reader.pause(wake);
        }
    }
    reader.finish(&mut pipes, format, least);
    shared.queue.close(drained);
}

struct Reader<'a> {
    shared: &'a Shared,
    chunk: Vec<u8>,
    batch: Batch,
    /// Bytes read since the last poll.
    taken: usize,
}

impl Reader<'_> {
    /// Waits until there is something to do and returns which pipes have bytes; none when the handle
    /// was dropped. With `quiet` it waits for the pipes alone, at most that long.
    fn wait(
        &self,
        pipes: &[SourcePipe],
        wake: &OwnedFd,
        quiet: Option<Duration>,
    ) -> Option<Vec<bool>> {
        let timeout = quiet.or_else(|| self.timeout(pipes));
        // Rounded up: a wait that ends a fraction too early would be followed by one of no time.
        let timeout = timeout.map_or(PollTimeout::NONE, |time| {
            PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let mut fds: Vec<_> = pipes
            .iter()
            .map(|source| PollFd::new(source.pipe.as_fd(), PollFlags::POLLIN))
            .collect();
        if quiet.is_none() {
            fds.push(PollFd::new(wake.as_fd(), PollFlags::POLLIN));
        }
        if poll(&mut fds, timeout).is_err() {
            // Interrupted by a signal, for example of the last child's death. No pipe is known to be
            // empty; a read shows it and does not block.
            return Some(vec![true; pipes.len()]);
        }
        if quiet.is_none() && fds[pipes.len()].any().unwrap_or_default() {
            let mut byte = [0];
            if matches!(read(wake, &mut byte), Ok(0)) {
                return None;
            }
        }
        Some(
            fds.iter()
                .take(pipes.len())
                .map(|fd| fd.any().unwrap_or_default())
                .collect(),
        )
    }

    fn timeout(&self, pipes: &[SourcePipe]) -> Option<Duration> {
        let deadline = pipes
            .iter()
            .filter_map(|source| source.stage.deadline())
            .min()?;
        Some(deadline.saturating_sub(self.shared.clock.now().up))
    }

    /// Reads once; false at the end of the file or after an error.
    fn read(&mut self, source: &mut SourcePipe) -> bool {
        let count = match read(&source.pipe, &mut self.chunk) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(errno) => return matches!(errno, Errno::EAGAIN | Errno::EINTR),
        };
        self.taken += count;
        let now = self.shared.clock.now();
        for slice in self.chunk[..count].chunks(SLICE) {
            source.stage.feed(slice, now, &mut self.batch);
            if self.batch.bytes().len() >= BATCH {
                self.shared.put(&mut self.batch, now.wall);
            }
        }
        true
    }

    /// Lets more bytes come if there were few; ends early when the handle wakes the reader.
    fn pause(&mut self, wake: &OwnedFd) {
        if (1..MUCH).contains(&std::mem::take(&mut self.taken)) {
            let mut fds = [PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
            let pause = PollTimeout::try_from(PAUSE).unwrap_or(PollTimeout::ZERO);
            // A signal shortens the pause, which costs no more than one poll.
            let _ = poll(&mut fds, pause);
        }
    }

    fn tick(&mut self, source: &mut SourcePipe, now: Moment) {
        if source.stage.deadline().is_some() {
            source.stage.tick(now, &mut self.batch);
        }
    }

    fn put(&mut self) {
        self.shared
            .put(&mut self.batch, self.shared.clock.now().wall);
    }

    /// Writes the lines and records that have no end, the account of the whole run, and the final record.
    fn finish(&mut self, pipes: &mut [SourcePipe], format: Format, least: Level) {
        let now = self.shared.clock.now();
        for source in pipes {
            source.stage.flush(now, &mut self.batch);
        }
        self.put();
        let dropped = self.shared.queue.counters().dropped();
        if dropped.lines > 0 {
            let mut renderer = Renderer::new(format, Source::Launcher);
            let message = "Not all log lines could be written in this run.";
            let fields = [
                ("event", "log_incomplete".into()),
                ("lines", dropped.lines.into()),
                ("bytes", dropped.bytes.into()),
            ];
            own_record::render(
                &mut renderer,
                now.wall,
                Level::Warn,
                message,
                &fields,
                &mut self.batch,
            );
            self.shared.put_own(&mut self.batch, now.wall);
        }
        if let Some(FinalRecord { level, message }) = self.shared.queue.take_final_record() {
            let mut renderer = Renderer::new(format, Source::Launcher);
            renderer.set_level(least);
            own_record::render(
                &mut renderer,
                now.wall,
                level,
                &message,
                &[],
                &mut self.batch,
            );
            self.shared.put_own(&mut self.batch, now.wall);
        }
    }
}
