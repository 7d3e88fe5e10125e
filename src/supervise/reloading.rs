//! The loop's part of a reload: one at a time, whoever asks; the outcome for all of them.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::child::ChildPlan;
use super::command::ReloadAnswer;
use super::helper::Helpers;
use super::report::Facts;
use super::runner::{LAST_ENTRY, News, Runner, tell_loop};
use super::state::{Child, ChildId, Phase, ReloadOutcome};
use crate::logs::LogOptions;
use crate::sys::files;

/// Makes a generation: reads, validates, plans, writes. It may ask for short programs to be run.
pub type Prepare = Box<dyn Fn(u32, Helpers) -> Preparing>;
/// A generation in the making.
pub type Preparing = Pin<Box<dyn Future<Output = Result<Prepared, ReloadAnswer>>>>;

/// A generation that may be started.
pub struct Prepared {
    /// Tried before anything else.
    pub canary: Option<ChildPlan>,
    /// Its children; each replaces the serving child of the same role.
    pub children: Vec<ChildPlan>,
    /// What the status shows of it.
    pub facts: Facts,
    /// How long its start may take.
    pub start_timeout: Duration,
    /// How long a stop may take from then on.
    pub stop_timeout: Duration,
    /// Its folder, to be removed when it fails.
    pub folder: PathBuf,
    /// What the log is asked to be once it serves.
    pub log: LogOptions,
    /// Called once it serves.
    pub committed: Box<dyn FnOnce()>,
}

/// How long the log may take to bring the words of a child that has just ended.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Requests that come so close together are one reload. Later ones may mean a change that the present reload has not
/// seen, so they are one more reload, after it.
const TOGETHER: Duration = Duration::from_millis(50);

/// The state of reloads.
pub(super) struct Reloading {
    prepare: Prepare,
    generation: u32,
    stage: Stage,
    begun: String,
    /// Who waits for the present reload.
    waiting: Vec<oneshot::Sender<ReloadAnswer>>,
    /// Whether another one is wanted after it, and who waits for that.
    next: Option<Vec<oneshot::Sender<ReloadAnswer>>>,
    pending: Option<Pending>,
}

/// How far the present reload is.
enum Stage {
    /// There is none.
    Idle,
    /// Others may join until then.
    Gathering(Instant),
    /// It reads, starts, takes over.
    UnderWay,
    /// It is over; those who asked are told then.
    Telling(Instant, ReloadAnswer),
}

struct Pending {
    facts: Facts,
    stop_timeout: Duration,
    folder: PathBuf,
    log: LogOptions,
    committed: Box<dyn FnOnce()>,
}

impl Reloading {
    pub(super) fn new(prepare: Prepare, generation: u32) -> Self {
        Self {
            prepare,
            generation,
            stage: Stage::Idle,
            begun: String::new(),
            waiting: Vec::new(),
            next: None,
            pending: None,
        }
    }

    /// When [`Runner::reload_due`] is to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Idle | Stage::UnderWay => None,
            Stage::Gathering(at) | Stage::Telling(at, _) => Some(at),
        }
    }
}

impl Runner {
    /// Begins a reload, joins the one that is about to begin, or orders one more.
    pub(super) fn reload_asked(&mut self, answer: Option<oneshot::Sender<ReloadAnswer>>) {
        if let Some(why) = self.refuses_reload() {
            tracing::warn!(why, "Reload refused.");
            let text = format!("reload refused: {why}");
            answer_all(answer, &ReloadAnswer { code: 75, text });
            return;
        }
        let reloading = &mut self.reloading;
        match reloading.stage {
            Stage::Idle => {
                reloading.stage = Stage::Gathering(Instant::now() + TOGETHER);
                reloading.waiting.extend(answer);
            }
            Stage::Gathering(_) => reloading.waiting.extend(answer),
            Stage::UnderWay | Stage::Telling(..) => {
                reloading.next.get_or_insert_default().extend(answer);
            }
        }
    }

    fn refuses_reload(&self) -> Option<&'static str> {
        match self.supervisor.phase {
            Phase::Stopping { .. } | Phase::Done(_) => Some("the service is stopping"),
            Phase::Starting { .. } => Some("the service is still starting"),
            Phase::Serving => None,
        }
    }

    /// Goes on when its time has come.
    pub(super) fn reload_due(&mut self) {
        match std::mem::replace(&mut self.reloading.stage, Stage::Idle) {
            Stage::Gathering(_) => self.begin_reload(),
            Stage::Telling(_, answer) => self.tell_reload(answer),
            other @ (Stage::Idle | Stage::UnderWay) => self.reloading.stage = other,
        }
    }

    fn begin_reload(&mut self) {
        self.reloading.stage = Stage::UnderWay;
        self.reloading.generation += 1;
        self.reloading.begun = jiff::Timestamp::now().to_string();
        tracing::info!(generation = self.reloading.generation, "Reloading.");
        let preparing = (self.reloading.prepare)(self.reloading.generation, self.helpers.clone());
        let news = self.news();
        tokio::task::spawn_local(async move {
            let prepared = preparing.await;
            tell_loop(&news, News::Prepared(Box::new(prepared))).await;
        });
    }

    pub(super) fn reload_prepared(&mut self, prepared: Result<Prepared, ReloadAnswer>) {
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(answer) => {
                tracing::error!("{}", answer.text);
                self.answer_reload(answer);
                return;
            }
        };
        if self.supervisor.phase != Phase::Serving {
            let canary = prepared.canary.as_ref().map(|plan| &plan.folder);
            for folder in canary.into_iter().chain([&prepared.folder]) {
                if let Err(error) = files::remove(folder) {
                    tracing::warn!(%error, "Cannot remove the files of a generation that was never started.");
                }
            }
            self.answer_reload(ReloadAnswer {
                code: 75,
                text: "reload given up: the service is stopping".to_owned(),
            });
            return;
        }
        let canary = prepared.canary.as_ref().map(Child::of);
        let candidates: Vec<(Child, ChildId)> = prepared
            .children
            .iter()
            .filter_map(|plan| {
                Some((
                    Child::of(plan),
                    self.supervisor.serving(|child| child.role == plan.role)?,
                ))
            })
            .collect();
        self.plans.extend(prepared.canary);
        self.plans.extend(prepared.children);
        self.reloading.pending = Some(Pending {
            facts: prepared.facts,
            stop_timeout: prepared.stop_timeout,
            folder: prepared.folder,
            log: prepared.log,
            committed: prepared.committed,
        });
        let now = self.now();
        let actions = self
            .supervisor
            .begin_reload(canary, candidates, prepared.start_timeout, now);
        self.carry_out(actions);
    }

    pub(super) fn reload_ended(&mut self, outcome: ReloadOutcome) {
        let Some(pending) = self.reloading.pending.take() else {
            return;
        };
        let name = |id: ChildId| self.plans[id].name;
        let why = match outcome {
            ReloadOutcome::Done => {
                (pending.committed)();
                self.logs.set_options(pending.log);
                let started_at = std::mem::take(&mut self.facts.started_at);
                self.facts = Facts {
                    started_at,
                    ..pending.facts
                };
                self.supervisor.set_stop_timeout(pending.stop_timeout);
                tracing::info!(
                    generation = self.facts.generation,
                    "Reloaded: the new generation serves, the old one finishes."
                );
                let text = format!("reloaded: generation {} serves", self.facts.generation);
                self.answer_reload(ReloadAnswer { code: 0, text });
                return;
            }
            ReloadOutcome::Exited(id, exit) => {
                format!("{} of the new generation ended with {exit}", name(id))
            }
            ReloadOutcome::NotReady(id) => format!(
                "{} of the new generation was not ready in time (start_timeout){}",
                name(id),
                self.because(id)
            ),
            ReloadOutcome::CannotRun(id) => {
                format!("{} of the new generation cannot be run", name(id))
            }
            ReloadOutcome::Stopping => "the service is stopping".to_owned(),
        };
        tracing::error!(why, "Reload rolled back: the old generation serves on.");
        if let Err(error) = std::fs::remove_dir(&pending.folder) {
            tracing::debug!(%error, "The folder of the failed generation goes with its children.");
        }
        let text = format!("reload rolled back, the old generation serves on: {why}");
        self.answer_reload(ReloadAnswer { code: 75, text });
    }

    /// A failure waits a moment for what the log knows about it, a success until the old nginx has closed its sockets:
    /// whoever is told shall meet the new generation only.
    fn answer_reload(&mut self, answer: ReloadAnswer) {
        let wait = match answer.code {
            0 => LAST_ENTRY,
            75 => LAST_WORDS,
            _ => Duration::ZERO,
        };
        self.reloading.stage = Stage::Telling(Instant::now() + wait, answer);
    }

    fn tell_reload(&mut self, mut answer: ReloadAnswer) {
        if answer.code == 75 {
            for error in self.logs.recent_errors() {
                let foreign = error.source != crate::logs::Source::Launcher;
                if foreign && error.ts >= self.reloading.begun {
                    answer.text.push('\n');
                    answer.text.push_str(&error.message);
                }
            }
        }
        answer_all(self.reloading.waiting.drain(..), &answer);
        if let Some(waiting) = self.reloading.next.take() {
            self.reload_asked(None);
            self.reloading.waiting.extend(waiting);
        }
    }

    /// The loop ends: nobody is left without an answer.
    pub(super) fn give_up_reload(&mut self) {
        if matches!(self.reloading.stage, Stage::Telling(..)) {
            self.reload_due();
        }
        let text = "reload given up: the service is stopping".to_owned();
        let next = self.reloading.next.take().unwrap_or_default();
        answer_all(
            self.reloading.waiting.drain(..).chain(next),
            &ReloadAnswer { code: 75, text },
        );
    }
}

/// Whoever asked may have left; that is no concern of ours.
fn answer_all(
    waiting: impl IntoIterator<Item = oneshot::Sender<ReloadAnswer>>,
    answer: &ReloadAnswer,
) {
    for asked in waiting {
        let _: Result<(), ReloadAnswer> = asked.send(answer.clone());
    }
}
