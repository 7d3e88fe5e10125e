//! What the process that reads stacks answers, and what the launcher passes on. Pure.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::status::WorkerStatus;

/// A worker to be looked into, on the command line of the process that reads: `NUMBER:PID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StackTarget {
    /// The worker's number.
    pub(crate) id: u32,
    pub(crate) pid: i32,
}

impl FromStr for StackTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once(':').and_then(|(id, pid)| {
            Some(Self {
                id: id.parse().ok()?,
                pid: pid.parse().ok().filter(|pid| *pid > 0)?,
            })
        });
        parsed.ok_or_else(|| "expected NUMBER:PID of a worker".to_owned())
    }
}

/// A function that has been called and has not returned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct StackFrame {
    /// The qualified name; before Python 3.11 the name alone.
    pub(crate) function: String,
    pub(crate) file: String,
    /// The line that runs, or that has called the next function; 0 when it is not known.
    pub(crate) line: i32,
}

/// A thread that Python knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ThreadStack {
    /// As the application has named it; none when it has no name.
    pub(crate) name: Option<String>,
    /// Its number for the kernel, where that is known.
    pub(crate) tid: Option<u64>,
    /// Whether it uses a CPU, as the kernel tells; else it waits.
    pub(crate) on_cpu: bool,
    /// Whether it has the interpreter's lock: no other thread of the process can run Python code then.
    pub(crate) holds_gil: bool,
    /// The innermost first, without those of uWSGI and the launcher's modules. Empty: no Python code runs.
    pub(crate) frames: Vec<StackFrame>,
    /// Of a very deep stack: how many frames that follow are left out, and where it began.
    #[serde(default)]
    pub(crate) left_out: usize,
    #[serde(default)]
    pub(crate) outermost: Vec<StackFrame>,
}

/// The threads of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerStacks {
    pub(crate) id: u32,
    pub(crate) pid: i32,
    /// Why they are not known.
    pub(crate) error: Option<String>,
    pub(crate) threads: Vec<ThreadStack>,
}

/// The answer of `POST /stacks` and `POST /workers/ID/stacks`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StacksAnswer {
    /// The workers as the launcher knows them, a moment before they were looked into.
    pub(crate) workers: Vec<WorkerStatus>,
    /// Those of old generations, after a reload.
    #[serde(default)]
    pub(crate) finishing: Vec<WorkerStatus>,
    /// What the process that reads has said.
    pub(crate) stacks: Vec<WorkerStacks>,
}

/// The answer of `POST /profile`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProfileAnswer {
    /// The name of the service.
    pub(crate) name: String,
    /// What the process that reads has said.
    pub(crate) profile: ProfileSlice,
}

/// Stacks of requests that were seen in some seconds, each with its time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProfileSlice {
    /// How long it took.
    pub(crate) seconds: f64,
    /// How often all workers were looked into.
    pub(crate) passes: u64,
    /// Stacks of requests that were seen.
    pub(crate) samples: u64,
    /// Looks into a worker that failed: it had moved on while it was read, or had ended.
    pub(crate) failed: u64,
    /// The workers that were looked into.
    pub(crate) workers: Vec<u32>,
    /// Workers that could not be looked into at all.
    pub(crate) unread: Vec<UnreadWorker>,
    /// The frames of the stacks.
    pub(crate) frames: Vec<StackFrame>,
    pub(crate) stacks: Vec<SampledStack>,
    /// Microseconds of stacks for which there was no room.
    pub(crate) left_out_micros: u64,
}

/// A stack and for how long it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SampledStack {
    /// Places in the list of frames, the innermost first.
    pub(crate) frames: Vec<u32>,
    /// Time in it, in microseconds of requests: two requests for a second are two seconds.
    pub(crate) micros: u64,
    /// The part of it in which the thread used a CPU; in the rest it waited.
    pub(crate) on_cpu_micros: u64,
}

/// A worker that could not be looked into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnreadWorker {
    pub(crate) id: u32,
    pub(crate) pid: i32,
    pub(crate) why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_numbers_of_a_worker_and_its_process() {
        let target = StackTarget { id: 3, pid: 77 };
        assert_eq!("3:77".parse(), Ok(target));
        for wrong in ["3", "3:", ":7", "3:0", "3:-7", "x:7", "3:7:9"] {
            assert!(wrong.parse::<StackTarget>().is_err(), "{wrong}");
        }
    }
}
