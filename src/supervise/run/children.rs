//! The loop's children: the plan and the task of each, and the actions on one. The ids are the machine's; a child is
//! removed here when the machine forgets it.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::task::AbortHandle;

use super::event::EventSender;
use super::launch::launch;
use super::{drain, readiness, survivors, watchdog};
use crate::logs::Logs;
use crate::supervise::child::ChildPlan;
use crate::supervise::machine::Machine;
use crate::supervise::machine::child::Purpose;
use crate::supervise::machine::event::Event;
use crate::supervise::machine::identity::ChildId;
use crate::supervise::machine::state::ChildState;
use crate::supervise::program::Program;
use crate::sys::family;
use crate::sys::file_user;
use crate::sys::left_behind;
use crate::sys::process;
use crate::sys::removal;

/// A child with the task that belongs to its present state.
struct Managed {
    plan: ChildPlan,
    /// The readiness poll, the watchdog or the wait for the end of a drain.
    task: Option<AbortHandle>,
    /// For survivors: the child that crashed. Signals go to their process group.
    survivors_of: Option<ChildId>,
    /// Its own children when it began to retire. Its workers end with it; the others were started by the import.
    children_at_retirement: Vec<Pid>,
}

/// All children that the machine knows.
pub(super) struct ManagedChildren {
    by_id: BTreeMap<ChildId, Managed>,
    events: EventSender,
    /// Whether the applications have been told to end the connections that clients hold open.
    open_connections_ended: bool,
}

impl ManagedChildren {
    /// Without children; the tasks of later ones send to `events`.
    pub(super) fn new(events: EventSender) -> Self {
        Self {
            by_id: BTreeMap::new(),
            events,
            open_connections_ended: false,
        }
    }

    pub(super) fn insert(&mut self, id: ChildId, plan: ChildPlan) {
        let managed = Managed {
            plan,
            task: None,
            survivors_of: None,
            children_at_retirement: Vec::new(),
        };
        self.by_id.insert(id, managed);
    }

    pub(super) fn plan(&self, id: ChildId) -> Option<&ChildPlan> {
        self.by_id.get(&id).map(|managed| &managed.plan)
    }

    pub(super) fn program(&self, id: ChildId) -> Option<&Program> {
        self.plan(id).map(|plan| &plan.program)
    }

    /// Starts a child and its readiness poll. Returns the event for the machine; none when the child is unknown.
    /// `log_wait`: whether the log says why it is not ready for long.
    pub(super) fn spawn(&mut self, id: ChildId, logs: &Logs, log_wait: bool) -> Option<Event> {
        let plan = &self.by_id.get(&id)?.plan;
        let pid = match launch(plan, logs) {
            Ok(pid) => pid,
            Err(error) => {
                tracing::error!(child = plan.name, %error, "Cannot be started.");
                return Some(Event::SpawnFailed(id, error.kind()));
            }
        };
        tracing::info!(child = plan.name, pid = pid.as_raw(), "Started.");
        let name = log_wait.then_some(plan.name);
        let (program, events) = (plan.program.clone(), self.events.clone());
        self.set_task(id, async move {
            readiness::poll_until_ready(name, program.supervised(), async |reason| {
                events.machine(Event::NotReady(id, pid, reason)).await;
            })
            .await;
            events.machine(Event::Ready(id, pid)).await;
        });
        Some(Event::Spawned(id, pid))
    }

    /// Starts the watchdog of a child.
    pub(super) fn watch(&mut self, id: ChildId, pid: Pid) {
        if let Some(program) = self.program(id).cloned() {
            let task = watchdog::watch(id, pid, program, self.events.clone());
            self.set_task(id, task);
        }
    }

    /// Starts the drain of a child. `pid` is none for survivors: their successor may already answer polls in their
    /// place, so only the time limit ends the drain.
    pub(super) fn drain(&mut self, id: ChildId, pid: Option<Pid>) {
        let Some(plan) = self.plan(id) else {
            return;
        };
        drain::begin(plan);
        let Some(pid) = pid else {
            return;
        };
        let task = drain::wait(id, pid, plan.program.clone(), self.events.clone());
        match plan.program {
            Program::Proxy(_) => self.set_task(id, task),
            // Its watchdog stays: it ends requests that cannot be interrupted.
            Program::Application(_) => drop(tokio::task::spawn_local(task)),
        }
    }

    /// Makes every application end the connections that clients hold open, once.
    pub(super) fn end_open_connections(&mut self) {
        if !std::mem::replace(&mut self.open_connections_ended, true) {
            for managed in self.by_id.values() {
                drain::end_open_connections(&managed.plan);
            }
        }
    }

    /// Ends the drain of survivors whose successor serves.
    pub(super) fn end_drain(&self, id: ChildId) {
        if let Some(plan) = self.plan(id) {
            drain::end(plan);
        }
    }

    /// Lets a proxy accept the connections that clients have begun, and no new ones; an event follows when that is
    /// done. The sockets are in the plan of `holder`. False when that plan has no sockets for clients.
    pub(super) fn accept_last_connections(
        &mut self,
        id: ChildId,
        pid: Pid,
        holder: ChildId,
    ) -> bool {
        let Some(managed) = self.by_id.get_mut(&holder) else {
            return false;
        };
        let plan = &mut managed.plan;
        if matches!(plan.program, Program::Application(_)) || plan.sockets.list.is_empty() {
            return false;
        }
        drain::refuse_new_connections(plan);
        let task = drain::accept_last_connections(id, pid, self.events.clone());
        tokio::task::spawn_local(task);
        true
    }

    pub(super) fn signal_gracefully(&self, id: ChildId, pid: Pid) {
        if let Some(plan) = self.plan(id) {
            self.signal(id, pid, plan.graceful_signal);
        }
    }

    pub(super) fn signal_fast(&self, id: ChildId, pid: Pid) {
        if let Some(plan) = self.plan(id) {
            self.signal(id, pid, plan.fast_signal);
        }
    }

    /// Signals the workers of a child that do nothing to end.
    pub(super) fn signal_stragglers(&self, id: ChildId, pid: Pid) {
        for straggler in self.stragglers(id, pid) {
            process::signal(straggler, Signal::SIGINT);
        }
    }

    /// Kills them; false when there is none.
    pub(super) fn kill_stragglers(&self, id: ChildId, pid: Pid) -> bool {
        let stragglers = self.stragglers(id, pid);
        for straggler in &stragglers {
            tracing::warn!(
                pid = straggler.as_raw(),
                "A worker does nothing to end although it has been asked to several times; it is killed."
            );
            process::signal(*straggler, Signal::SIGKILL);
        }
        !stragglers.is_empty()
    }

    fn stragglers(&self, id: ChildId, pid: Pid) -> Vec<Pid> {
        let Some(ending) = self.plan(id).and_then(|plan| plan.ending_workers) else {
            return Vec::new();
        };
        let workers = family::workers_of(pid).into_iter();
        workers
            .filter(|worker| worker.name != ending && !family::has_ended(worker.pid))
            .map(|worker| worker.pid)
            .collect()
    }

    fn signal(&self, id: ChildId, pid: Pid, signal: Signal) {
        let is_group = self
            .by_id
            .get(&id)
            .is_some_and(|managed| managed.survivors_of.is_some());
        if is_group {
            process::signal_group(pid, signal);
        } else {
            process::signal(pid, signal);
        }
    }

    /// Makes a child finish its requests while its successor serves.
    pub(super) fn retire(&mut self, id: ChildId, pid: Pid, has_been_ready: bool) {
        if let Some(managed) = self.by_id.get_mut(&id) {
            managed.children_at_retirement = family::children_of(pid);
        }
        let Some(plan) = self.plan(id) else {
            return;
        };
        let Some(application) = plan.program.application() else {
            return process::signal(pid, plan.graceful_signal);
        };
        let retired = application.retire();
        // In place of its watchdog.
        self.set_task(id, drain::look(application));
        let (Err(error), Some(plan)) = (retired, self.plan(id)) else {
            return;
        };
        if has_been_ready {
            tracing::warn!(child = plan.name, %error, "Cannot make the old generation finish its requests; it is stopped.");
            process::signal(pid, plan.graceful_signal);
        } else {
            // It is still importing the application and has served no request.
            process::signal_group(pid, Signal::SIGKILL);
        }
    }

    /// Closes the launcher's copies of a child's sockets.
    pub(super) fn close_sockets(&mut self, id: ChildId) {
        if let Some(managed) = self.by_id.get_mut(&id) {
            managed.plan.sockets.list.clear();
        }
    }

    /// Adds the survivors of a crashed child, with that child's plan except for its sockets.
    pub(super) fn adopt_survivors(&mut self, id: ChildId, of: ChildId, group: Pid) {
        let Some(crashed) = self.plan(of) else {
            return;
        };
        let mut plan = crashed.clone();
        plan.sockets.list.clear();
        let managed = Managed {
            plan,
            task: None,
            survivors_of: Some(of),
            children_at_retirement: Vec::new(),
        };
        self.by_id.insert(id, managed);
        tokio::task::spawn_local(survivors::wait(id, group, self.events.clone()));
    }

    /// Replaces the task of a child; the old one is aborted.
    fn set_task(&mut self, id: ChildId, task: impl Future<Output = ()> + 'static) {
        if let Some(managed) = self.by_id.get_mut(&id) {
            let task = tokio::task::spawn_local(task).abort_handle();
            if let Some(old) = managed.task.replace(task) {
                old.abort();
            }
        }
    }

    /// Follows the machine after an event: aborts the tasks of children that do not need one any more.
    pub(super) fn follow(&mut self, machine: &Machine) {
        debug_assert!(
            self.by_id
                .keys()
                .copied()
                .eq(machine.children().map(|(id, _)| id)),
            "the loop and the machine have different children"
        );
        for (id, managed) in &mut self.by_id {
            let is_application = matches!(managed.plan.program, Program::Application(_));
            let has_task = machine.child(*id).is_some_and(|child| match child.state() {
                ChildState::Starting { .. }
                | ChildState::Running { .. }
                | ChildState::Draining { .. } => true,
                // It is looked at as long as it retires.
                ChildState::Stopping { .. } => {
                    is_application && matches!(child.purpose(), Purpose::Retiring { .. })
                }
                _ => false,
            });
            if !has_task && let Some(task) = managed.task.take() {
                task.abort();
            }
        }
    }

    /// Removes a child that has ended for good, with its files.
    pub(super) fn forget(&mut self, id: ChildId) {
        let Some(managed) = self.by_id.remove(&id) else {
            return;
        };
        if let Some(task) = managed.task {
            task.abort();
        }
        if managed.survivors_of.is_some() {
            // The files belong to the child that crashed.
            return;
        }
        left_behind::end_later(managed.children_at_retirement);
        let plan = managed.plan;
        let removed = plan
            .run_files
            .iter()
            .map(|path| file_user::remove_as_owner(path));
        for error in removed
            .chain([removal::remove_folder(&plan.folder)])
            .filter_map(Result::err)
        {
            tracing::warn!(child = plan.name, %error, "Cannot remove the files of an old generation.");
        }
        if let Some(generation) = plan.folder.parent() {
            removal::remove_if_bare(generation);
        }
    }
}
