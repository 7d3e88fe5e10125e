//! The process that reads stacks: once, or again and again for some seconds.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use nix::time::{ClockId, clock_gettime};

use super::answer::{ProfileSlice, StackTarget, UnreadWorker, WorkerStacks};
use super::counting::StackCounts;
use super::read::{SeenThread, WorkerMemory};

/// How often a worker is looked into before its stacks are called unreadable, and the pause between two attempts.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(2);
/// Shortest pause between two looks at all workers of a profile.
const INTERVAL: Duration = Duration::from_millis(10);
/// After each look, the process waits for this multiple of the CPU time that the look took: it uses 2 % of a CPU at most.
const WAIT_FOR_CPU: u32 = 50;
/// Failed looks in a row after which a worker has ended.
const GIVE_UP: u32 = 50;
/// A process that is lied to by what it reads ends, instead of using up the memory of the container.
const MAX_MEMORY: u64 = 512 << 20;

/// Makes this process the first one that ends when memory is short. In CPU it does not give way, so that it can look into a
/// service that uses all of it: it needs little. For the process that only reads stacks.
pub(crate) fn step_back() {
    // The system may refuse the limit: then it reads without one.
    let _: nix::Result<()> = setrlimit(Resource::RLIMIT_AS, MAX_MEMORY, MAX_MEMORY);
    // The system may refuse that, too: then the kernel chooses among all processes.
    let _: std::io::Result<()> = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// The stacks of all threads of these workers.
pub(crate) fn stacks(targets: &[StackTarget]) -> Vec<WorkerStacks> {
    targets.iter().map(|target| stacks_of(*target)).collect()
}

fn stacks_of(target: StackTarget) -> WorkerStacks {
    let (id, pid) = (target.id, target.pid);
    let (mut threads, error) = match attempts(|| WorkerMemory::open(pid)?.threads()) {
        Ok(threads) => (threads, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    // What an operator looks for first.
    threads.sort_by_key(|seen| !seen.is_request);
    WorkerStacks {
        id,
        pid,
        error,
        threads: threads.into_iter().map(|seen| seen.stack).collect(),
    }
}

/// The first success, or the last error.
fn attempts<T>(mut look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match look() {
            Ok(value) => return Ok(value),
            Err(error) => last = error,
        }
        // A thread that runs has moved on while it was read; the next look meets it elsewhere.
        std::thread::sleep(PAUSE);
    }
    Err(last)
}

/// Looks into these workers for some seconds, and sums up the stacks of their requests.
pub(crate) fn profile(targets: &[StackTarget], length: Duration) -> ProfileSlice {
    let begun = Instant::now();
    let mut slice = ProfileSlice::default();
    let mut workers = Vec::new();
    for target in targets {
        match attempts(|| WorkerMemory::open(target.pid)) {
            Ok(memory) => workers.push((memory, 0_u32)),
            Err(why) => slice.unread.push(UnreadWorker {
                id: target.id,
                pid: target.pid,
                why,
            }),
        }
        slice.workers.push(target.id);
    }
    let mut counts = StackCounts::default();
    let mut last = begun;
    let mut used = cpu_time();
    while !workers.is_empty() {
        let pause = pause(cpu_time().saturating_sub(used), slice.passes);
        used = cpu_time();
        if begun.elapsed() + pause >= length {
            break;
        }
        // The interval between two looks.
        std::thread::sleep(pause);
        let now = Instant::now();
        let micros = u64::try_from((now - last).as_micros()).unwrap_or(u64::MAX);
        last = now;
        for (memory, failures) in &mut workers {
            if let Ok(threads) = look(memory) {
                *failures = 0;
                count(&mut counts, threads, micros);
            } else {
                // A thread has moved on while it was read, or the worker has ended.
                *failures += 1;
                slice.failed += 1;
            }
        }
        workers.retain(|(_, failures)| *failures < GIVE_UP);
        slice.passes += 1;
    }
    slice.seconds = begun.elapsed().as_secs_f64();
    counts.into_slice(slice)
}

/// What the threads do; at once again when one of them has moved on while it was read: those that compute do so more often
/// than those that wait, and would be seen too rarely.
fn look(memory: &mut WorkerMemory) -> Result<Vec<SeenThread>, String> {
    let first = memory.threads();
    first
        .or_else(|_| memory.threads())
        .or_else(|_| memory.threads())
}

fn count(counts: &mut StackCounts, threads: Vec<SeenThread>, micros: u64) {
    for seen in threads.into_iter().filter(|seen| seen.is_request) {
        let mut frames = seen.stack.frames;
        frames.extend(seen.stack.outermost);
        counts.add(frames, micros, seen.stack.on_cpu);
    }
}

/// The pause after a look that took this much CPU time. It varies, so that it falls into step with nothing that the
/// application does at regular intervals: multiples of the golden ratio spread evenly over their fractions.
fn pause(cost: Duration, pass: u64) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_75;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a profile has far fewer passes than 2^52"
    )]
    let fraction = (pass as f64 * GOLDEN).fract();
    (cost * WAIT_FOR_CPU).max(INTERVAL).mul_f64(0.5 + fraction)
}

/// CPU time of this process.
fn cpu_time() -> Duration {
    // The clock exists in every kernel since 2.6.12 (clock_gettime(2)).
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_the_cost_and_is_not_regular() {
        let pauses: Vec<Duration> = (0..1000).map(|pass| pause(Duration::ZERO, pass)).collect();
        let sum: Duration = pauses.iter().sum();
        let mean = sum / 1000;
        assert!(mean.abs_diff(INTERVAL) < INTERVAL / 50, "{mean:?}");
        assert!(pauses.windows(2).all(|two| two[0] != two[1]));
        let costly = pause(Duration::from_millis(1), 0);
        assert_eq!(costly, Duration::from_millis(25));
    }

    #[test]
    fn a_process_without_python_is_told() {
        let mut other = std::process::Command::new("sleep")
            .arg("100")
            .spawn()
            .unwrap();
        let pid = i32::try_from(other.id()).unwrap();
        let unread = stacks_of(StackTarget { id: 1, pid });
        let slice = profile(&[StackTarget { id: 2, pid }], Duration::from_secs(60));
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(unread.error.is_some() && unread.threads.is_empty());
        assert_eq!((slice.samples, slice.unread[0].id), (0, 2));
    }
}
