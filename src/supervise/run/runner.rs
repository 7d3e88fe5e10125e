//! The loop: waits for one event, asks the machine, carries out its actions.

use std::collections::VecDeque;
use std::time::Instant;

use nix::sys::signal::Signal as OsSignal;
use nix::unistd::Pid;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::children::ManagedChildren;
use super::event::{self, EventSender, LoopEvent, sleep_until};
use super::reload::{Caller, Reloads};
use super::reload_history::AskedBy;
use super::report::LauncherInfo;
use super::setup::Setup;
use super::wait_log::WaitLog;
use super::worker_account::{self, WorkerAccount};
use super::{announce, processes, stop_log};
use crate::logs::Logs;
use crate::logs::record::WorkerEvent;
use crate::status::GenerationInfo;
use crate::supervise::child::ChildPlan;
use crate::supervise::commands::{LoopCommand, Snapshot};
use crate::supervise::generation::Made;
use crate::supervise::machine::Machine;
use crate::supervise::machine::action::{Action, Notice};
use crate::supervise::machine::child::Child;
use crate::supervise::machine::event::{Event, NewGeneration};
use crate::supervise::machine::identity::{ChildId, Role};
use crate::supervise::machine::outcome::{NotMade, Outcome};
use crate::supervise::machine::state::{ChildState, Phase};
use crate::supervise::program::Program;
use crate::supervise::uptime::Uptime;
use crate::supervise::worker_exits::ExitCause;
use crate::sys::process;
use crate::sys::reap::{Exit, Reaped};
use crate::sys::runtime;
use crate::sys::short_programs::ShortPrograms;
use crate::sys::signals::{Signal, Signals};

/// The children and everything that belongs to them.
pub(crate) struct Runner {
    pub(super) machine: Machine,
    pub(super) children: ManagedChildren,
    pub(super) reloads: Reloads,
    wait_log: WaitLog,
    /// The serving generation in a status report.
    pub(super) info: GenerationInfo,
    programs: ShortPrograms,
    pub(super) logs: Logs,
    /// Clients that were disconnected because they were too slow.
    pub(super) too_slow: u64,
    pub(super) workers: WorkerAccount,
    started: Instant,
    pub(super) launcher: LauncherInfo,
    sender: EventSender,
    events: mpsc::Receiver<LoopEvent>,
    /// None as long as nobody can have asked.
    pub(super) snapshots: Option<watch::Sender<Snapshot>>,
}

impl Runner {
    /// A service whose children are not started yet.
    pub(crate) fn new(setup: Setup, logs: Logs) -> Self {
        let elapsed = setup.started.elapsed();
        let seed = u64::from(std::process::id()) ^ (u64::from(elapsed.subsec_nanos()) << 20);
        let mut machine = Machine::new(
            setup.info.generation,
            setup.start_timeout,
            setup.stop_timeout,
            seed,
        );
        let (sender, events) = event::channel();
        let mut children = ManagedChildren::new(sender.clone());
        for plan in setup.children {
            children.insert(machine.add(plan.spec()), plan);
        }
        Self {
            machine,
            children,
            reloads: Reloads::new(setup.maker, setup.info.imports_late),
            wait_log: WaitLog::default(),
            info: setup.info,
            programs: ShortPrograms::beside_children(),
            logs,
            too_slow: 0,
            workers: WorkerAccount::new(),
            started: setup.started,
            launcher: LauncherInfo {
                pid: std::process::id(),
                started_at: jiff::Timestamp::now().to_string(),
            },
            sender,
            events,
            snapshots: None,
        }
    }

    /// Runs programs beside the children of this loop, which reaps them too.
    pub(crate) fn short_programs(&self) -> ShortPrograms {
        self.programs.clone()
    }

    /// Runs until no child is left. Returns how the run ended, and the log for the last record.
    pub(crate) async fn run(
        mut self,
        mut signals: Signals,
        mut commands: mpsc::Receiver<LoopCommand>,
    ) -> (Outcome, Logs) {
        let mut worker_events = self.logs.take_worker_events();
        let first = runtime::until_step(Instant::now(), worker_account::TICK);
        let first = tokio::time::Instant::now() + first;
        let mut ticks = tokio::time::interval_at(first, worker_account::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.handle(Event::Start);
        loop {
            if let Phase::Done(outcome) = self.machine.phase() {
                self.programs.kill_all();
                self.reloads.flush().await;
                return (outcome.clone(), self.logs);
            }
            let timer = self.machine.next_deadline();
            tokio::select! {
                signal = signals.next() => self.on_signal(signal),
                Some(event) = self.events.recv() => self.on_event(event),
                Some(command) = commands.recv() => self.on_command(command),
                Some(event) = event::next_of(&mut worker_events) => self.on_worker_event(event),
                _ = ticks.tick() => {
                    // Nothing of it is told.
                    self.tick();
                    continue;
                }
                () = sleep_until(timer.map(|Uptime(time)| self.started + time)) => self.handle(Event::Timer),
            }
            self.publish();
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        self.workers.tick(&self.machine.main_processes(), now);
        let step = self.reloads.step();
        self.wait_log.log(&self.machine, &self.children, step, now);
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Stop => self.request_stop(),
            Signal::Child => self.reap(),
            Signal::Reload => self.request_reload(AskedBy::Signal, None),
            Signal::HungUp => self.hung_up(),
            Signal::Report => {
                announce::status(&self.snapshot().report);
            }
        }
    }

    fn on_event(&mut self, event: LoopEvent) {
        match event {
            LoopEvent::Machine(Event::Ready(id, pid)) => self.on_ready(id, pid),
            LoopEvent::Machine(event) => self.handle(event),
            LoopEvent::LastConnectionsAccepted(id, pid) => self.last_connections_accepted(id, pid),
            LoopEvent::Found(id, pid, finding) => self.on_finding(id, pid, &finding),
            LoopEvent::Made(made) => self.on_made(*made),
        }
    }

    fn on_command(&mut self, command: LoopCommand) {
        // The client of each command may have disconnected.
        match command {
            LoopCommand::Reload(answer) => self.request_reload(AskedBy::Command, Some(answer)),
            LoopCommand::CountTooSlow(clients) => self.too_slow += clients,
            LoopCommand::RestartWorker(pid, answer) => {
                let known =
                    processes::kill_worker(&self.machine.processes_in(Role::Application), pid);
                if known {
                    let now = self.now();
                    self.workers.killed(pid, ExitCause::Asked, now);
                    announce::worker_killed(pid);
                }
                // The client may have disconnected.
                let _: Result<(), bool> = answer.send(known);
            }
        }
    }

    pub(super) fn request_stop(&mut self) {
        let first = !matches!(self.machine.phase(), Phase::Stopping { .. });
        self.handle(Event::StopRequested);
        let application = self.serving_program(Role::Application);
        if let (true, Some(application)) = (first, application.and_then(Program::application)) {
            let limit = self.machine.stop_timeout();
            tokio::task::spawn_local(stop_log::log_during_stop(application, limit));
        }
    }

    pub(super) fn request_reload(&mut self, by: AskedBy, caller: Option<Caller>) {
        self.reloads.arrive(by, caller);
        self.handle(Event::ReloadRequested);
    }

    fn on_ready(&mut self, id: ChildId, pid: Pid) {
        self.handle(Event::Ready(id, pid));
        let state = self.machine.child(id).map(Child::state);
        if state == Some(ChildState::Running { pid }) {
            self.children.watch(id, pid);
        }
    }

    fn on_made(&mut self, made: Result<Made, NotMade>) {
        let made = match made {
            Ok(made) => made,
            Err(why) => {
                tracing::error!("{}", why.text);
                return self.handle(Event::GenerationNotMade(why));
            }
        };
        self.reloads.keep(made.settings);
        let mut admit = |plan: ChildPlan| {
            let (id, spec) = (self.machine.new_id(), plan.spec());
            self.children.insert(id, plan);
            (id, spec)
        };
        let generation = NewGeneration {
            canary: made.canary.map(&mut admit),
            children: made.children.into_iter().map(&mut admit).collect(),
            start_timeout: made.start_timeout,
            stop_timeout: made.stop_timeout,
        };
        self.handle(Event::GenerationPrepared(generation));
    }

    /// Reaps every process that has ended.
    fn reap(&mut self) {
        for ended in processes::reap(&self.machine) {
            if !self.programs.ended(ended.pid, ended.exit) {
                let exit = self.exit_of_main(ended);
                self.handle(Event::Exited(ended.pid, exit));
            }
        }
    }

    /// How it has ended, with the kernel's reason if the kernel has killed a main process for memory.
    fn exit_of_main(&mut self, ended: Reaped) -> Exit {
        let (mains, now) = (self.machine.main_processes(), self.now());
        let by_us = |child: &Child| matches!(child.state(), ChildState::Killing { .. });
        let mut children = self.machine.children().map(|(_, child)| child);
        match children.find(|child| child.state().pid() == Some(ended.pid)) {
            Some(child) => self
                .workers
                .exit_of_main(ended.exit, by_us(child), &mains, now),
            None => ended.exit,
        }
    }

    fn on_worker_event(&mut self, event: WorkerEvent) {
        let (mains, now) = (self.machine.main_processes(), self.now());
        self.workers
            .on_event(event, self.info.plan.threads, &mains, now);
    }

    /// Passes an event to the machine, and carries out its actions and those of the events that they cause at once.
    pub(super) fn handle(&mut self, event: Event) {
        let mut actions: VecDeque<Action> = self.machine.on(event, self.now()).into();
        while let Some(action) = actions.pop_front() {
            if let Some(event) = self.perform(action) {
                actions.extend(self.machine.on(event, self.now()));
            }
        }
        self.after_each_event();
    }

    fn after_each_event(&mut self) {
        if matches!(self.machine.phase(), Phase::Stopping { .. }) {
            self.logs.children_stopping();
            self.children.end_open_connections();
        }
        self.children.follow(&self.machine);
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn(id) => {
                // A reload logs itself for what it waits.
                let is_new = self.machine.child(id).is_some_and(Child::is_new);
                return self.children.spawn(id, &self.logs, !is_new);
            }
            Action::Drain(id) => self.drain(id),
            Action::StopGracefully(id, pid) => self.stop_gracefully(id, pid),
            Action::StopFast(id, pid) => self.children.signal_fast(id, pid),
            Action::Kill(_, pid) => process::signal_group(pid, OsSignal::SIGKILL),
            Action::KillMain(_, pid) => process::signal(pid, OsSignal::SIGKILL),
            Action::SignalStragglers(id, pid) => self.children.signal_stragglers(id, pid),
            Action::KillStragglers(id, pid) => {
                let killed = self.children.kill_stragglers(id, pid);
                return killed.then_some(Event::StragglersKilled(id));
            }
            Action::CloseSockets(id) => self.children.close_sockets(id),
            Action::Retire(id, pid) => self.retire(id, pid),
            Action::AdoptSurvivors {
                survivors,
                of,
                group,
            } => self.children.adopt_survivors(survivors, of, group),
            Action::Forget(id) => self.children.forget(id),
            Action::Announce(notice) => {
                if let Notice::ServiceReady(_) = notice {
                    self.reloads.history.serves(&self.info);
                }
                announce::notice(&notice, &self.info);
            }
            Action::JoinReload => self.reloads.join(),
            Action::QueueReload => self.reloads.queue(),
            Action::RefuseReload(refusal) => self.reloads.refuse(refusal),
            Action::PrepareGeneration(generation) => {
                let (programs, events) = (self.programs.clone(), self.sender.clone());
                self.reloads.make(generation, programs, &self.logs, events);
            }
            Action::DiscardGeneration => self.reloads.discard(),
            Action::CommitGeneration => {
                if let Some(settings) = self.reloads.commit() {
                    self.logs.set_options(settings.log);
                    self.info = settings.info;
                    self.reloads.history.serves(&self.info);
                }
            }
            Action::RollBackGeneration(rollback) => self.reloads.roll_back(&rollback),
            Action::ReportReload(result) => self.reloads.report(&result, &self.logs),
        }
        None
    }

    fn serving_program(&self, role: Role) -> Option<&Program> {
        let id = self.machine.serving(role)?;
        self.children.program(id)
    }

    pub(super) fn now(&self) -> Uptime {
        Uptime(self.started.elapsed())
    }
}
