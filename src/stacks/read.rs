//! Looks into the memory of a worker. The worker runs on meanwhile, so a thread that runs may be seen between two moments.

use std::error::Error;
use std::io::ErrorKind;

use py_spy::config::{Config, LineNo, LockingStrategy};
use py_spy::{PythonSpy, StackTrace};

use super::answer::{StackFrame, ThreadStack};
use super::own;

/// Most threads of a worker that are told.
const MAX_THREADS: usize = 256;
/// Frames of a very deep stack that are told: the innermost ones, and where it began.
const INNER: usize = 150;
const OUTER: usize = 50;

/// A worker that can be looked into.
pub(super) struct WorkerMemory(PythonSpy);

/// A thread as it was seen.
pub(super) struct SeenThread {
    pub(super) stack: ThreadStack,
    /// Whether it serves a request.
    pub(super) is_request: bool,
}

impl WorkerMemory {
    /// Finds the interpreter in the process.
    pub(super) fn open(pid: i32) -> Result<Self, String> {
        let config = Config {
            // Nothing of the application is stopped.
            blocking: LockingStrategy::NonBlocking,
            lineno: LineNo::LastInstruction,
            ..Config::default()
        };
        PythonSpy::new(pid, &config)
            .map(Self)
            .map_err(|error| why(&*error))
    }

    /// What its threads do now. Fails when a thread has moved on while it was read, or the process has ended.
    pub(super) fn threads(&mut self) -> Result<Vec<SeenThread>, String> {
        let traces = self.0.get_stack_traces();
        let traces = traces.map_err(|error| why(&*error))?;
        Ok(traces.into_iter().take(MAX_THREADS).map(seen).collect())
    }
}

fn seen(trace: StackTrace) -> SeenThread {
    let before = trace.frames.len();
    let frames = trace.frames.into_iter().map(|frame| StackFrame {
        function: frame.name,
        file: frame.filename,
        line: frame.line,
    });
    let mut frames = own::without_own(frames.collect());
    let is_request = own::is_request(&frames, before);
    let (left_out, outermost) = if frames.len() > INNER + OUTER {
        let outermost = frames.split_off(frames.len() - OUTER);
        let left_out = frames.split_off(INNER).len();
        (left_out, outermost)
    } else {
        (0, Vec::new())
    };
    SeenThread {
        stack: ThreadStack {
            name: trace.thread_name,
            tid: trace.os_thread_id,
            on_cpu: trace.active,
            holds_gil: trace.owns_gil,
            frames,
            left_out,
            outermost,
        },
        is_request,
    }
}

/// The error and its causes in one line, and what to do about those that an operator can change.
fn why(error: &(dyn Error + 'static)) -> String {
    let mut texts = Vec::new();
    let mut refused = false;
    let mut next = Some(error);
    while let Some(cause) = next {
        texts.push(cause.to_string());
        let system = cause.downcast_ref::<std::io::Error>();
        refused |= system.is_some_and(|cause| cause.kind() == ErrorKind::PermissionDenied);
        next = cause.source();
    }
    let hint = if refused {
        "; the system refuses to read the memory of other processes (process_vm_readv): look at the seccomp profile of the \
         container, and at kernel.yama.ptrace_scope of the host, which must be 0 or 1"
    } else {
        ""
    };
    format!("{}{hint}", texts.join(": "))
}
