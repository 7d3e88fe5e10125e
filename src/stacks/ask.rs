//! The launcher's side: starts the process that reads stacks, as the workers' user, and takes its answer.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::answer::{ProfileSlice, StackTarget, WorkerStacks};
use crate::sys::credentials::Credentials;
use crate::sys::process::SpawnFailure;
use crate::sys::reap::Exit;
use crate::sys::sandbox::SandboxRules;
use crate::sys::short_programs::{Finished, RunError, ShortProgram, ShortPrograms};

/// The launcher's own program, wherever its file is; its hidden command `read-stacks` is that process.
const PROGRAM: &str = "/proc/self/exe";
/// How long one may need: it reads some megabytes of programs and libraries, and some kilobytes of each worker.
const LIMIT: Duration = Duration::from_secs(8);
/// Most bytes of its answer; the launcher has them in memory.
const MAX_ANSWER: u64 = 4 << 20;
/// Most characters of what it says when it fails.
const MAX_COMPLAINT: usize = 500;

/// Reads stacks, for one client at a time: profiles apart from single looks, which are short.
#[derive(Debug)]
pub(crate) struct StackReader {
    programs: ShortPrograms,
    look: Semaphore,
    profile: Semaphore,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    /// Another client has a profile made.
    #[error("a profile is being made already, for another client")]
    Busy,
    /// The process that reads could not be started, has failed, or took too long.
    #[error("cannot read the stacks: {0}")]
    Failed(String),
}

impl StackReader {
    /// `programs` are those of the loop that reaps all children.
    pub(crate) fn new(programs: ShortPrograms) -> Self {
        Self {
            programs,
            look: Semaphore::new(1),
            profile: Semaphore::new(1),
        }
    }

    /// The stacks of these workers now, as that process says.
    pub(crate) async fn stacks(
        &self,
        user: Option<&Credentials>,
        targets: &[StackTarget],
    ) -> Result<Vec<WorkerStacks>, StackError> {
        // Never closed.
        let _turn = self.look.acquire().await;
        self.run(user, Vec::new(), targets, LIMIT).await
    }

    /// What the requests in these workers do for some seconds, as that process says.
    pub(crate) async fn profile(
        &self,
        user: Option<&Credentials>,
        targets: &[StackTarget],
        length: Duration,
    ) -> Result<ProfileSlice, StackError> {
        let Ok(_turn) = self.profile.try_acquire() else {
            return Err(StackError::Busy);
        };
        let args = vec!["--millis".into(), length.as_millis().to_string().into()];
        self.run(user, args, targets, length + LIMIT).await
    }

    async fn run<T: DeserializeOwned>(
        &self,
        user: Option<&Credentials>,
        options: Vec<OsString>,
        targets: &[StackTarget],
        timeout: Duration,
    ) -> Result<T, StackError> {
        let mut args: Vec<OsString> = vec!["read-stacks".into()];
        args.extend(options);
        let words = targets
            .iter()
            .map(|target| format!("{}:{}", target.id, target.pid).into());
        args.extend(words);
        let reader = ShortProgram {
            program: Path::new(PROGRAM),
            args: &args,
            env: Some(Vec::new()),
            cwd: Some(Path::new("/")),
            inherit: Vec::new(),
            user,
            // Landlock would refuse to look into processes outside of its own confinement.
            sandbox: SandboxRules::default(),
            timeout,
            max_output: MAX_ANSWER,
        };
        match self.programs.run(reader).await {
            Ok(finished) => answer(&finished),
            Err(error) => Err(StackError::Failed(why(&error))),
        }
    }
}

fn why(error: &RunError) -> String {
    match error {
        RunError::Spawn(cause) if cause.kind() == SpawnFailure::NotExecutable => {
            format!("{error}: the launcher's program must be executable for the workers' user, too")
        }
        RunError::Spawn(_) | RunError::TimedOut { .. } => error.to_string(),
    }
}

fn answer<T: DeserializeOwned>(finished: &Finished) -> Result<T, StackError> {
    let Finished { exit, output } = finished;
    if *exit != Exit::Code(0) {
        let said: String = output.trim().chars().take(MAX_COMPLAINT).collect();
        return Err(StackError::Failed(format!("{exit}: {said}")));
    }
    serde_json::from_str(output)
        .map_err(|error| StackError::Failed(format!("its answer is not understood: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_of_the_right_form_are_passed_on() {
        let of = |exit, output: &str| -> Result<Vec<WorkerStacks>, StackError> {
            let output = output.to_owned();
            answer(&Finished { exit, output })
        };
        let one = r#"[{"id":1,"pid":7,"error":null,"threads":[]}]"#;
        assert_eq!(of(Exit::Code(0), one).unwrap()[0].pid, 7);
        for (exit, output) in [
            (Exit::Code(0), "[1"),
            (Exit::Code(0), "[]\nmore"),
            (Exit::Code(0), r#"[{"id":-1}]"#),
            (Exit::Signal(6), one),
        ] {
            let error = of(exit, output).unwrap_err().to_string();
            assert!(error.starts_with("cannot read the stacks: "), "{error}");
        }
        let long = of(Exit::Code(1), &"x".repeat(9000)).unwrap_err();
        assert!(long.to_string().len() < 600);
    }
}
