//! The loop's side of a reload: the clients that wait for its result, and the settings of the new generation. The
//! machine decides what happens when.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::event::{EventSender, LoopEvent};
use super::reload_history::{AskedBy, ReloadHistory};
use crate::logs::{Logs, Source};
use crate::reload_answer::{ReloadAnswer, ReloadOutcome};
use crate::supervise::generation::{GenerationMaker, Settings};
use crate::supervise::machine::outcome::{NotMade, Refusal, ReloadResult, Rollback};
use crate::sys::removal;
use crate::sys::short_programs::ShortPrograms;

/// The channel to a client that waits for a reload.
pub(super) type Caller = oneshot::Sender<ReloadAnswer>;

/// Clients that wait for reloads, and the generation that is being made.
pub(super) struct Reloads {
    maker: Rc<dyn GenerationMaker>,
    /// Whether the generation that serves imports what is on disk when one of its processes is replaced.
    imports_late: bool,
    /// Clients whose request the machine has not decided about yet: it joins the current reload, is queued or refused.
    arriving: Vec<Caller>,
    /// Who has sent that request.
    arriving_by: Option<AskedBy>,
    current: Vec<Caller>,
    next: Vec<Caller>,
    /// The settings of the generation that was made and does not serve yet.
    settings: Option<Settings>,
    /// The log's error cursor at the begin of the current reload; later errors belong to it.
    first_error: u64,
    /// When callers were answered last.
    answered: Option<Instant>,
    pub(super) history: ReloadHistory,
}

/// What an operator has to know after a rollback with lazy-apps.
const IMPORTS_LATE: &str = "With lazy-apps, a process of the old generation that is replaced imports the code that is on disk now: put the old code back, or mend the new one, before that happens.";
/// How long an answer takes to a client at the control socket.
const ANSWER_TIME: Duration = Duration::from_millis(20);

impl Reloads {
    /// `imports_late` is that of the first generation.
    pub(super) fn new(maker: Rc<dyn GenerationMaker>, imports_late: bool) -> Self {
        Self {
            maker,
            imports_late,
            arriving: Vec::new(),
            arriving_by: None,
            current: Vec::new(),
            next: Vec::new(),
            settings: None,
            first_error: 0,
            answered: None,
            history: ReloadHistory::default(),
        }
    }

    pub(super) fn arrive(&mut self, by: AskedBy, caller: Option<Caller>) {
        self.arriving_by = Some(by);
        self.arriving.extend(caller);
    }

    pub(super) fn join(&mut self) {
        self.current.append(&mut self.arriving);
        if let Some(by) = self.arriving_by.take() {
            self.history.begin(by);
        }
    }

    pub(super) fn queue(&mut self) {
        self.next.append(&mut self.arriving);
        if let Some(by) = self.arriving_by.take() {
            self.history.queue(by);
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        tracing::warn!(why = refusal_reason(&refusal), "Reload refused.");
        let answer = answer(&ReloadResult::Refused(refusal));
        if let Some(by) = self.arriving_by.take() {
            self.history.refuse(&answer, by);
        }
        self.answered = send_to_all(self.arriving.drain(..), &answer).or(self.answered);
    }

    /// Starts to make a generation in a task.
    pub(super) fn make(
        &mut self,
        generation: u32,
        programs: ShortPrograms,
        logs: &Logs,
        events: EventSender,
    ) {
        tracing::info!(generation, "Reloading.");
        self.first_error = logs.error_cursor();
        let maker = Rc::clone(&self.maker);
        tokio::task::spawn_local(async move {
            let made = maker.make(generation, programs).await;
            events.send(LoopEvent::Made(Box::new(made))).await;
        });
    }

    /// What is being done to make the generation, as text for operators.
    pub(super) fn step(&self) -> &'static str {
        self.maker.step()
    }

    pub(super) fn keep(&mut self, settings: Settings) {
        self.settings = Some(settings);
    }

    /// Removes the files of a generation that was never started.
    pub(super) fn discard(&mut self) {
        for folder in self.settings.take().into_iter().flat_map(|s| s.folders) {
            if let Err(error) = removal::remove_folder(&folder) {
                tracing::warn!(%error, "Cannot remove the files of a generation that was never started.");
            }
        }
    }

    /// The new generation serves; its settings are valid from now on.
    pub(super) fn commit(&mut self) -> Option<Settings> {
        let settings = self.settings.take()?;
        self.maker.committed();
        self.imports_late = settings.info.imports_late;
        tracing::info!(
            generation = settings.info.generation,
            "Reloaded: the new generation serves, the old one finishes."
        );
        Some(settings)
    }

    /// The new generation was given up. Its children remove their own files when they have ended.
    pub(super) fn roll_back(&mut self, rollback: &Rollback) {
        self.settings = None;
        tracing::error!(
            why = rollback_reason(rollback),
            "Reload rolled back: the old generation serves on."
        );
        if self.imports_late {
            tracing::warn!("{IMPORTS_LATE}");
        }
    }

    /// Before the loop ends: waits until the answers that were just given have left.
    pub(super) async fn flush(&self) {
        if self.answered.is_some_and(|at| at.elapsed() < ANSWER_TIME) {
            tokio::time::sleep(ANSWER_TIME).await;
        }
    }

    /// Answers the callers that wait for the current reload.
    pub(super) fn report(&mut self, result: &ReloadResult, logs: &Logs) {
        let mut answer = answer(result);
        if let ReloadResult::RolledBack(_) = result {
            if self.imports_late {
                answer.text.push('\n');
                answer.text.push_str(IMPORTS_LATE);
            }
            for error in logs.errors_since(self.first_error) {
                if error.source != Source::Launcher {
                    answer.text.push('\n');
                    answer.text.push_str(&error.message);
                }
            }
        }
        self.answered = send_to_all(self.current.drain(..), &answer).or(self.answered);
        // The machine decides about them at once.
        self.arriving.append(&mut self.next);
        self.arriving_by = self.history.end(&answer);
    }
}

/// Answers callers; gives the time when there were any. A client may have disconnected.
fn send_to_all(
    callers: impl IntoIterator<Item = Caller>,
    answer: &ReloadAnswer,
) -> Option<Instant> {
    let mut answered = None;
    for caller in callers {
        // It may have disconnected.
        let _: Result<(), ReloadAnswer> = caller.send(answer.clone());
        answered = Some(Instant::now());
    }
    answered
}

/// The answer for a result.
fn answer(result: &ReloadResult) -> ReloadAnswer {
    let (outcome, text) = match result {
        ReloadResult::Committed(generation) => (
            ReloadOutcome::Committed,
            format!("reloaded: generation {generation} serves"),
        ),
        ReloadResult::RolledBack(rollback) => (
            ReloadOutcome::RolledBack,
            format!(
                "reload rolled back, the old generation serves on: {}",
                rollback_reason(rollback)
            ),
        ),
        ReloadResult::Refused(Refusal::NotMade(NotMade { invalid, text })) => {
            let outcome = if *invalid {
                ReloadOutcome::Invalid
            } else {
                ReloadOutcome::Refused
            };
            (outcome, text.clone())
        }
        ReloadResult::Refused(Refusal::Abandoned) => (
            ReloadOutcome::Refused,
            "reload given up: the service is stopping".to_owned(),
        ),
        ReloadResult::Refused(refusal @ (Refusal::Starting | Refusal::Stopping)) => (
            ReloadOutcome::Refused,
            format!("reload refused: {}", refusal_reason(refusal)),
        ),
    };
    ReloadAnswer { outcome, text }
}

fn refusal_reason(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Starting => "the service is still starting",
        Refusal::Stopping | Refusal::Abandoned => "the service is stopping",
        Refusal::NotMade(why) => &why.text,
    }
}

fn rollback_reason(rollback: &Rollback) -> String {
    match rollback {
        Rollback::Exited(child, exit) => {
            format!("{} of the new generation ended with {exit}", child.name)
        }
        Rollback::NotReady(child, reason) => format!(
            "{} of the new generation was not ready in time (start_timeout){}",
            child.name,
            reason
                .as_ref()
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default()
        ),
        Rollback::CannotRun(child) => {
            format!("{} of the new generation cannot be run", child.name)
        }
        Rollback::Stopping => "the service is stopping".to_owned(),
    }
}
