//! Stacks as text for operators: what each thread of a worker does, the innermost call first. Pure.

use std::fmt::Write as _;

use super::answer::{StackFrame, StacksAnswer, ThreadStack, WorkerStacks};
use crate::status::WorkerStatus;
use crate::status::words::{age, count};

/// When no worker has a request.
const NOBODY: &str =
    "No worker has a request. `status --stacks 1` shows worker 1 all the same: its own threads.\n";

/// The stacks of some workers.
pub(crate) fn text(answer: &StacksAnswer) -> String {
    if answer.workers.is_empty() && answer.finishing.is_empty() {
        return NOBODY.to_owned();
    }
    let mut out = "Of each thread, the innermost call stands first.\n".to_owned();
    let old = answer.finishing.iter().map(|worker| (worker, true));
    let new = answer.workers.iter().map(|worker| (worker, false));
    for (worker, is_old) in new.chain(old) {
        out.push('\n');
        head(&mut out, worker, is_old);
        // Both generations have a worker 1.
        let mut stacks = answer.stacks.iter();
        match stacks.find(|stacks| stacks.pid == worker.pid) {
            Some(stacks) => threads(&mut out, stacks),
            None => out.push_str("  it has ended before it could be looked into\n"),
        }
    }
    out
}

fn head(out: &mut String, worker: &WorkerStatus, is_old: bool) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "worker {} (pid {}), {}{}",
        worker.id,
        worker.pid,
        worker.state.as_str(),
        if is_old { ", of an old generation" } else { "" }
    );
    for request in &worker.serving {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  {} {} for {}, id {}",
            request.kind(),
            request.path,
            age(request.seconds),
            request.request_id
        );
    }
}

fn threads(out: &mut String, worker: &WorkerStacks) {
    if let Some(error) = &worker.error {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  cannot be looked into: {error}");
    }
    for thread in &worker.threads {
        let name = thread.name.as_deref().unwrap_or("without a name");
        let tid = thread.tid.map(|tid| format!(" ({tid})"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  thread {name}{}: {}",
            tid.unwrap_or_default(),
            doing(thread)
        );
        calls(out, &thread.frames);
        if thread.left_out > 0 {
            let more = count(thread.left_out as u64, "call");
            // Writing to a String cannot fail.
            let _ = writeln!(out, "    … {more} left out");
            calls(out, &thread.outermost);
        }
    }
}

/// Each call in a line; a function that has called itself again and again stands once.
fn calls(out: &mut String, frames: &[StackFrame]) {
    for same in frames.chunk_by(|one, next| one == next) {
        let StackFrame {
            function,
            file,
            line,
        } = &same[0];
        let times = match same.len() {
            1 => String::new(),
            times => format!(", {times} times"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "    {function} ({file}:{line}){times}");
    }
}

fn doing(thread: &ThreadStack) -> &'static str {
    match (thread.frames.is_empty(), thread.on_cpu, thread.holds_gil) {
        (true, _, _) => "no Python code runs",
        (false, true, _) => "runs",
        (false, false, false) => "waits",
        // No other Python code of the process runs meanwhile.
        (false, false, true) => "waits in C code, with the interpreter's lock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    fn frame(function: &str, line: i32) -> StackFrame {
        StackFrame {
            function: function.to_owned(),
            file: "/srv/src/main.py".to_owned(),
            line,
        }
    }

    fn thread(frames: Vec<StackFrame>) -> ThreadStack {
        ThreadStack {
            name: Some("main".to_owned()),
            tid: Some(70),
            on_cpu: false,
            holds_gil: false,
            frames,
            left_out: 0,
            outermost: Vec::new(),
        }
    }

    #[test]
    fn each_thread_says_what_it_does() {
        let mut workers = sample::report().workers;
        workers.truncate(1);
        workers[0].id = 1;
        let mut gone = workers[0].clone();
        (gone.id, gone.pid) = (2, 999_999);
        workers.push(gone);
        let mut old = workers[0].clone();
        old.pid = 999_998;
        let mut hangs = thread(vec![frame("query", 9), frame("view", 3)]);
        hangs.holds_gil = true;
        let mut deep = thread(vec![frame("f", 7); 150]);
        (deep.on_cpu, deep.left_out) = (true, 800);
        deep.outermost = vec![frame("view", 4)];
        let mut idle = thread(Vec::new());
        (idle.name, idle.tid) = (None, None);
        let answer = StacksAnswer {
            stacks: vec![WorkerStacks {
                id: 1,
                pid: workers[0].pid,
                error: Some("it is no Python".to_owned()),
                threads: vec![hangs, deep, idle],
            }],
            finishing: vec![old],
            workers,
        };
        let text = text(&answer);
        for part in [
            "  GET /users/secret for 1 s, id secret-id\n",
            "  cannot be looked into: it is no Python\n",
            "  thread main (70): waits in C code, with the interpreter's lock\n",
            "    query (/srv/src/main.py:9)\n    view (/srv/src/main.py:3)\n",
            "  thread main (70): runs\n    f (/srv/src/main.py:7), 150 times\n    \
             … 800 calls left out\n    view (/srv/src/main.py:4)\n",
            "  thread without a name: no Python code runs\n",
            "\nworker 2 (pid 999999), busy\n",
            "\nworker 1 (pid 999998), busy, of an old generation\n",
            "  it has ended before it could be looked into\n",
        ] {
            assert!(text.contains(part), "{part}\n---\n{text}");
        }
    }

    #[test]
    fn without_a_busy_worker_it_says_what_to_do() {
        let answer = StacksAnswer {
            workers: Vec::new(),
            finishing: Vec::new(),
            stacks: Vec::new(),
        };
        assert!(text(&answer).contains("--stacks 1"));
    }
}
