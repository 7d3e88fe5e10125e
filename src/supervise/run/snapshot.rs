//! What the loop tells of itself: the report, and the programs that know the rest.

use std::rc::Rc;

use tokio::sync::watch;

use super::children::ManagedChildren;
use super::report::{self, History};
use super::runner::Runner;
use crate::logs::{LogAccounts, ShedCause};
use crate::supervise::commands::{Snapshot, Snapshots};
use crate::supervise::machine::Machine;
use crate::supervise::machine::child::Purpose;
use crate::supervise::program::Program;

impl Runner {
    /// Where the latest snapshot is, from now on.
    pub(crate) fn snapshots(&mut self) -> Snapshots {
        let sender = self.snapshots.take();
        let sender = sender.unwrap_or_else(|| watch::Sender::new(self.snapshot()));
        let receiver = sender.subscribe();
        self.snapshots = Some(sender);
        receiver
    }

    /// What can be asked about the log.
    pub(crate) fn log_accounts(&self) -> LogAccounts {
        self.logs.accounts()
    }

    /// Publishes what is known now.
    pub(super) fn publish(&self) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.send_replace(self.snapshot());
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let history = History {
            shed: [(ShedCause::TooSlow.as_str().to_owned(), self.too_slow)].into(),
            worker_exits: self.workers.counts(),
            timeouts: self.workers.timeouts(),
            reloads: self.reloads.history.status(),
            generations: self.reloads.history.generations(),
        };
        let now = self.now();
        let mut snapshot = Snapshot {
            report: report::report(&self.machine, &self.info, &self.launcher, history, now),
            at: now,
            admin_details: self.info.admin_details,
            application: None,
            proxy: None,
            retiring: Vec::new(),
            exits_by_worker: self.workers.counts_by_worker(),
        };
        add_programs(&mut snapshot, &self.machine, &self.children);
        snapshot
    }
}

fn add_programs(snapshot: &mut Snapshot, machine: &Machine, children: &ManagedChildren) {
    for (id, child) in machine.children() {
        let pid = child.state().pid();
        match (child.purpose(), children.program(id)) {
            (Purpose::Serving, Some(Program::Application(application))) => {
                snapshot.application = Some(Rc::clone(application));
            }
            (Purpose::Serving, Some(Program::Proxy(proxy))) => {
                snapshot.proxy = Some(Rc::clone(proxy));
            }
            (Purpose::Retiring { .. }, Some(Program::Application(application)))
                if pid.is_some() =>
            {
                snapshot.retiring.push(Rc::clone(application));
            }
            (
                Purpose::Canary | Purpose::Candidate { .. } | Purpose::Retiring { .. },
                Some(Program::Application(_) | Program::Proxy(_)),
            )
            | (_, None) => {}
        }
    }
}
