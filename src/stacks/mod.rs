//! Python stacks of the application's processes: where each thread is, on demand, at no cost until then.
//!
//! A short process of the launcher's own program reads the memory of the workers from outside: nothing runs in a worker, so
//! that one is shown that hangs in C code too, and none can be interrupted or harmed. That process is the workers' user and
//! has no other right. `read` looks into one worker, `sample` does so again and again, `own` knows which frames are the
//! launcher's, `counting` sums up. `ask` is the launcher's side, which starts that process; its answers are in `answer`, and
//! untrusted: they are the words of the application. `text` and `profile` are for operators.

mod answer;
pub(crate) mod ask;
mod counting;
mod own;
pub(crate) mod profile;
mod read;
mod sample;
pub(crate) mod text;

pub(crate) use self::answer::{ProfileAnswer, StackTarget, StacksAnswer};
pub(crate) use self::sample::{profile, stacks, step_back};
