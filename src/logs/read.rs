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

use super::{
    Format,
    batch::Batch,
    record::{Level, Source},
    render::Renderer,
    shared::Shared,
    sink,
    stage::{Now, Stage},
};

/// Read at once. Most of a 1 MiB pipe in few calls, and still within a core's cache.
const CHUNK: usize = 128 * 1024;

/// Rendered at once, so that short lines do not swell a chunk to a batch of megabytes.
const SLICE: usize = 8 * 1024;

/// Batches are handed on at this size, or when there is nothing more to read.
const BATCH: usize = 64 * 1024;

/// Between two looks at pipes that had little to read. A busy service writes a line with each request; woken for each of
/// them, the two threads would cost five times as much as all work on the lines. Nobody sees the delay, and the first line
/// after a silence has none.
const LINGER: Duration = Duration::from_millis(5);

/// From so many bytes in one look on there is no lingering: at that pace a pipe of 64 KiB might fill up meanwhile.
const MUCH: usize = 16 * 1024;

/// When stopping: the pipes are empty if nothing came for so long. The writers are dead, so what
/// they wrote is there already; this is for a grandchild that is just dying.
const QUIET: Duration = Duration::from_millis(20);

/// One pipe and the way of its bytes.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) pipe: OwnedFd,
    pub(super) stage: Stage,
}

/// Reads until told to drain, then until nothing more comes.
pub(super) fn run(shared: &Shared, mut inlets: Vec<Inlet>, wake: &OwnedFd, format: Format) {
    let mut reader = Reader {
        shared,
        chunk: vec![0; CHUNK],
        batch: Batch::default(),
        taken: 0,
    };
    let mut until = None;
    let mut drained = false;
    while !drained && until.is_none_or(|until| Instant::now() < until) {
        let patience = until.map(|_| QUIET);
        let Some(ready) = reader.wait(&inlets, wake, patience) else {
            // The handle was dropped without a word: as if asked to end at once.
            until = until
                .or_else(|| shared.drain_until())
                .or_else(|| Some(Instant::now()));
            continue;
        };
        drained = until.is_some() && !ready.contains(&true);
        until = until.or_else(|| shared.drain_until());
        let access = shared.access();
        // Before any wait for room: that the log was slow does not mean that a part was silent.
        let now = shared.now();
        let mut place = 0;
        inlets.retain_mut(|inlet| {
            inlet.stage.set_access(access);
            let open = !ready[place] || reader.read(inlet);
            reader.tick(inlet, now);
            place += 1;
            open
        });
        reader.hand_on();
        if until.is_none() {
            reader.linger(wake);
        }
    }
    reader.finish(&mut inlets, format);
    shared.close(drained);
}

struct Reader<'a> {
    shared: &'a Shared,
    chunk: Vec<u8>,
    batch: Batch,
    /// Bytes read since the last look at all pipes.
    taken: usize,
}

impl Reader<'_> {
    /// Waits until there is something to do and says which pipes have bytes; none when the handle
    /// is gone. With a patience it heeds the pipes alone.
    fn wait(
        &self,
        inlets: &[Inlet],
        wake: &OwnedFd,
        patience: Option<Duration>,
    ) -> Option<Vec<bool>> {
        let timeout = patience.or_else(|| self.timeout(inlets));
        // Rounded up: a wait that ends a fraction too early would be followed by one of nothing.
        let timeout = timeout.map_or(PollTimeout::NONE, |time| {
            PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let mut fds: Vec<_> = inlets
            .iter()
            .map(|inlet| PollFd::new(inlet.pipe.as_fd(), PollFlags::POLLIN))
            .collect();
        if patience.is_none() {
            fds.push(PollFd::new(wake.as_fd(), PollFlags::POLLIN));
        }
        if poll(&mut fds, timeout).is_err() {
            // A signal, say of the last child's death: nothing is known, so nothing is empty. Reading
            // tells, and does not wait.
            return Some(vec![true; inlets.len()]);
        }
        if patience.is_none() && fds[inlets.len()].any().unwrap_or_default() {
            let mut byte = [0];
            if matches!(read(wake, &mut byte), Ok(0)) {
                return None;
            }
        }
        Some(
            fds.iter()
                .take(inlets.len())
                .map(|fd| fd.any().unwrap_or_default())
                .collect(),
        )
    }

    fn timeout(&self, inlets: &[Inlet]) -> Option<Duration> {
        let deadline = inlets
            .iter()
            .filter_map(|inlet| inlet.stage.deadline())
            .min()?;
        Some(deadline.saturating_sub(self.shared.now().up))
    }

    /// Reads once; false when the pipe is of no more use.
    fn read(&mut self, inlet: &mut Inlet) -> bool {
        let count = match read(&inlet.pipe, &mut self.chunk) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(errno) => return matches!(errno, Errno::EAGAIN | Errno::EINTR),
        };
        self.taken += count;
        let now = self.shared.now();
        for slice in self.chunk[..count].chunks(SLICE) {
            inlet.stage.feed(slice, now, &mut self.batch);
            if self.batch.bytes().len() >= BATCH {
                self.shared.put(&mut self.batch, now.wall);
            }
        }
        true
    }

    /// Lets more come, if what came was little; ends early when the handle has something to say.
    fn linger(&mut self, wake: &OwnedFd) {
        if (1..MUCH).contains(&std::mem::take(&mut self.taken)) {
            let mut fds = [PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
            let pause = PollTimeout::try_from(LINGER).unwrap_or(PollTimeout::ZERO);
            // A signal makes it shorter, which costs nothing but a look.
            let _ = poll(&mut fds, pause);
        }
    }

    fn tick(&mut self, inlet: &mut Inlet, now: Now) {
        if inlet.stage.deadline().is_some() {
            inlet.stage.tick(now, &mut self.batch);
        }
    }

    fn hand_on(&mut self) {
        self.shared.put(&mut self.batch, self.shared.now().wall);
    }

    /// Writes what lines and records there are without an end, and the account of the whole life.
    fn finish(&mut self, inlets: &mut [Inlet], format: Format) {
        let now = self.shared.now();
        for inlet in inlets {
            inlet.stage.flush(now, &mut self.batch);
        }
        self.hand_on();
        let dropped = self.shared.counters().dropped();
        if dropped.lines > 0 {
            let mut renderer = Renderer::new(format, Source::Launcher);
            let message = "Not all log lines could be written in this run.";
            let fields = [
                ("event", "log_incomplete".into()),
                ("lines", dropped.lines.into()),
                ("bytes", dropped.bytes.into()),
            ];
            sink::render(
                &mut renderer,
                now.wall,
                Level::Warn,
                message,
                &fields,
                &mut self.batch,
            );
            self.shared.put_own(&mut self.batch, now.wall);
        }
        if let Some((level, message)) = self.shared.take_last() {
            let mut renderer = Renderer::new(format, Source::Launcher);
            sink::render(
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
