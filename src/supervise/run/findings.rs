//! What the loop does about the findings of a watchdog.

use nix::unistd::Pid;

use super::reload_history::AskedBy;
use super::runner::Runner;
use super::{processes, watchdog};
use crate::supervise::machine::event::Event;
use crate::supervise::machine::identity::ChildId;
use crate::supervise::machine::state::ChildState;
use crate::supervise::program::{WatchdogFinding, Wish};

impl Runner {
    pub(super) fn on_finding(&mut self, id: ChildId, pid: Pid, finding: &WatchdogFinding) {
        let finishing = self
            .machine
            .child(id)
            .is_some_and(|child| matches!(child.state(), ChildState::Draining { .. }));
        if finishing && finding.is_about_service() {
            return;
        }
        if let WatchdogFinding::Overdue { pid: worker, .. } = finding
            && !processes::kill_worker(&[pid], *worker)
        {
            // It has ended meanwhile, or the statistics are forged.
            return;
        }
        if let Some(plan) = self.children.plan(id) {
            watchdog::log(plan.name, finding);
        }
        let now = self.now();
        self.workers
            .on_finding(finding, &self.machine.main_processes(), now);
        match finding {
            WatchdogFinding::WorkerEnded { .. }
            | WatchdogFinding::WorkerLost { .. }
            | WatchdogFinding::Overdue { .. } => {}
            WatchdogFinding::Hung { .. } => self.handle(Event::Hung(id, pid)),
            WatchdogFinding::Damaged => self.handle(Event::Damaged(id, pid)),
            WatchdogFinding::Wish(Wish::Reload) => self.request_reload(AskedBy::Application, None),
            WatchdogFinding::Wish(Wish::Stop) => self.request_stop(),
        }
    }
}
