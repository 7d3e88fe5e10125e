//! The loop that owns the children: waits for one event, asks the state machine, does what it says.
//!
//! It runs on the main thread, on which all children are started: their death signal is bound to it.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal as Kernel;
use nix::unistd::Pid;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::Uptime;
use super::child::ChildPlan;
use super::command::Command;
use super::helper::Helpers;
use super::launch::launch;
use super::readiness::Lacking;
use super::reloading::{Prepare, Prepared, Reloading};
use super::report::Facts;
use super::state::{Action, Child, ChildId, Event, Outcome, Phase, State};
use super::supervisor::Supervisor;
use super::tell;
use super::watch::Finding;
use crate::logs::Logs;
use crate::sys::process;
use crate::sys::reap::{self, Exit};
use crate::sys::signals::{Signal, Signals};

/// How long the last proxy has to take in who has begun to connect: it accepts as soon as its loop turns.
pub(super) const LAST_ENTRY: Duration = Duration::from_millis(25);
/// News of the loop's own tasks that may wait.
const NEWS_QUEUE: usize = 64;

/// The children and everything that belongs to them.
pub struct Runner {
    pub(super) supervisor: Supervisor,
    pub(super) plans: Vec<ChildPlan>,
    /// What asks a child whether it is ready, and what watches it then.
    tasks: Vec<Option<AbortHandle>>,
    pub(super) facts: Facts,
    pub(super) logs: Logs,
    started: Instant,
    pub(super) news_sender: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    pub(super) helpers: Helpers,
    pub(super) reloading: Reloading,
    pub(super) lacking: Lacking,
    /// Where the proxy that serves tells how much; a watch over the application asks it.
    pub(super) proxy_status: Rc<RefCell<Option<PathBuf>>>,
}

/// How a run ended, and what the last words need.
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// The children's names.
    pub names: Vec<&'static str>,
    /// What a child lacked that was not ready in time.
    pub lacking: Option<String>,
    /// The log.
    pub logs: Logs,
}

/// What the runner starts with.
pub struct Setup {
    /// The children, in the order of starting.
    pub plans: Vec<ChildPlan>,
    /// What the status shows of the plan.
    pub facts: Facts,
    /// How long the start may take.
    pub start_timeout: Duration,
    /// How long a graceful stop may take.
    pub stop_timeout: Duration,
    /// When the launcher started.
    pub started: Instant,
    /// Makes the next generation.
    pub prepare: Prepare,
}

/// What the loop's own tasks tell it.
pub(super) enum News {
    /// A child is not ready yet, and why.
    NotYet(ChildId, Pid, String),
    /// A child serves.
    Ready(ChildId, Pid),
    /// A draining child has no clients left.
    Drained(ChildId, Pid),
    /// Who had begun to connect has been taken in.
    DoorClosed(ChildId, Pid),
    /// Nobody is left of a crashed child's group.
    Dispersed(Pid),
    /// What a watch over a child found.
    Watched(ChildId, Pid, Finding),
    /// The next generation, or why there is none.
    Prepared(Box<Result<Prepared, super::command::ReloadAnswer>>),
}

impl Runner {
    /// Children that are not started yet.
    pub fn new(setup: Setup, logs: Logs) -> Self {
        let children = setup.plans.iter().map(Child::of).collect();
        let seed = u64::from(std::process::id())
            ^ (u64::from(setup.started.elapsed().subsec_nanos()) << 20);
        let (news_sender, news) = mpsc::channel(NEWS_QUEUE);
        Self {
            supervisor: Supervisor::new(children, setup.start_timeout, setup.stop_timeout, seed),
            tasks: setup.plans.iter().map(|_| None).collect(),
            plans: setup.plans,
            reloading: Reloading::new(setup.prepare, setup.facts.generation),
            facts: setup.facts,
            logs,
            started: setup.started,
            news_sender,
            news,
            helpers: Helpers::default(),
            lacking: Lacking::default(),
            proxy_status: Rc::default(),
        }
    }

    /// Runs until nothing is left.
    pub async fn run(
        mut self,
        mut signals: Signals,
        mut commands: mpsc::Receiver<Command>,
    ) -> Ended {
        self.handle(Event::Start);
        loop {
            if let Phase::Done(outcome) = self.supervisor.phase {
                self.give_up_reload();
                let lacking = match outcome {
                    Outcome::NotReady(id) => self.lacking.remove(&id),
                    _ => None,
                };
                return Ended {
                    outcome,
                    names: self.plans.iter().map(|plan| plan.name).collect(),
                    lacking,
                    logs: self.logs,
                };
            }
            let timer = self.supervisor.next_deadline();
            let reload_due = self.reloading.due();
            tokio::select! {
                signal = signals.next() => self.signalled(signal),
                Some(news) = self.news.recv() => self.heard(news),
                Some(command) = commands.recv() => self.commanded(command),
                () = sleep_until(timer.map(|Uptime(span)| self.started + span)) => self.handle(Event::Timer),
                () = sleep_until(reload_due) => self.reload_due(),
            }
        }
    }

    pub(super) fn now(&self) -> Uptime {
        Uptime(self.started.elapsed())
    }

    fn signalled(&mut self, signal: Signal) {
        match signal {
            Signal::Stop => self.stop_asked(),
            Signal::Child => self.reap(),
            Signal::Reload => self.reload_asked(None),
            Signal::Report => tell::report(&self.snapshot().report),
        }
    }

    fn stop_asked(&mut self) {
        let stops_already = matches!(self.supervisor.phase, Phase::Stopping { .. });
        self.handle(Event::StopAsked);
        if !stops_already {
            self.tell_who_lingers();
        }
    }

    fn heard(&mut self, news: News) {
        match news {
            News::NotYet(id, pid, why) => self.not_yet(id, pid, why),
            News::Ready(id, pid) => {
                self.lacking.remove(&id);
                self.handle(Event::Ready(id, pid));
                self.watch(id, pid);
            }
            News::Drained(id, pid) => self.handle(Event::Drained(id, pid)),
            News::DoorClosed(id, pid) => self.door_closed(id, pid),
            News::Dispersed(group) => self.handle(Event::Exited(group, Exit::Code(0))),
            News::Watched(id, pid, finding) => self.watched(id, pid, &finding),
            News::Prepared(prepared) => self.reload_prepared(*prepared),
        }
    }

    fn commanded(&mut self, command: Command) {
        match command {
            // Whoever asked may have left; that is no concern of ours.
            Command::Report(answer) => drop(answer.send(self.snapshot())),
            Command::Reload(answer) => self.reload_asked(Some(answer)),
            Command::RestartWorker(pid, answer) => {
                let known = self.kill_worker(pid);
                if known {
                    tracing::warn!(pid = pid.as_raw(), "A worker is killed on request.");
                }
                // Whoever asked may have left.
                let _: Result<(), bool> = answer.send(known);
            }
        }
    }

    fn reap(&mut self) {
        let children = &self.supervisor.children;
        let reaped = reap::reap_all(|ended| {
            let child = children
                .iter()
                .find(|child| child.state.pid() == Some(ended.pid));
            if child.is_some_and(|child| !child.leaves_orphans(ended.exit)) {
                process::signal_group(ended.pid, Kernel::SIGKILL);
            }
        });
        for ended in reaped {
            if !self.helpers.ended(ended.pid, ended.exit) {
                self.handle(Event::Exited(ended.pid, ended.exit));
            }
        }
    }

    pub(super) fn handle(&mut self, event: Event) {
        let actions = self.supervisor.on(event, self.now());
        self.carry_out(actions);
    }

    /// Does what is to be done, and what follows from it at once.
    pub(super) fn carry_out(&mut self, actions: Vec<Action>) {
        let mut pending = actions;
        while !pending.is_empty() {
            let mut events = Vec::new();
            for action in pending {
                events.extend(self.act(action));
            }
            let now = self.now();
            pending = events
                .into_iter()
                .flat_map(|event| self.supervisor.on(event, now))
                .collect();
        }
        self.note_proxy();
        if matches!(self.supervisor.phase, Phase::Stopping { .. }) {
            self.logs.children_stopping();
        }
        for (child, task) in self.supervisor.children.iter().zip(&mut self.tasks) {
            let wanted = matches!(
                child.state,
                State::Starting { .. } | State::Running { .. } | State::Draining { .. }
            );
            if !wanted && let Some(task) = task.take() {
                task.abort();
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn(id) => return Some(self.spawn(id)),
            Action::Drain(id) => self.drain(id),
            Action::StopGracefully(id, pid) => self.stop_gracefully(id, pid),
            Action::StopFast(id, pid) => self.signal(id, pid, self.plans[id].stop.fast),
            Action::Kill(_, pid) => process::signal_group(pid, Kernel::SIGKILL),
            Action::KillWorkers(_, pid) => process::kill_children_of(pid),
            Action::CloseSockets(id) => self.plans[id].sockets.list.clear(),
            Action::Retire(id, pid) => self.retire(id, pid),
            Action::Forget(id) => self.forget(id),
            Action::ReloadEnded(outcome) => self.reload_ended(outcome),
            Action::Adopt { of, group, .. } => self.adopt(of, group),
            Action::Note(note) => tell::tell(note, &self.plans, &self.facts),
        }
        None
    }

    fn spawn(&mut self, id: ChildId) -> Event {
        let plan = &self.plans[id];
        self.tasks.resize_with(self.plans.len(), || None);
        match launch(plan, &self.logs) {
            Ok(pid) => {
                tracing::info!(child = plan.name, pid = pid.as_raw(), "Started.");
                self.ask_until_ready(id, pid);
                Event::Spawned(id, pid)
            }
            Err(error) => {
                tracing::error!(child = plan.name, %error, "Cannot be started.");
                Event::SpawnFailed(id, error.code())
            }
        }
    }

    pub(super) fn set_task(&mut self, id: ChildId, task: AbortHandle) {
        if let Some(old) = self.tasks[id].replace(task) {
            old.abort();
        }
    }

    pub(super) fn news(&self) -> mpsc::Sender<News> {
        self.news_sender.clone()
    }
}

impl Child {
    /// A child of a plan, to be started.
    pub(super) fn of(plan: &ChildPlan) -> Self {
        Self::new(plan.role, plan.stop.clone(), plan.orphans)
    }
}

pub(super) async fn tell_loop(sender: &mpsc::Sender<News>, news: News) {
    if sender.send(news).await.is_err() {
        tracing::debug!("The loop has ended.");
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
