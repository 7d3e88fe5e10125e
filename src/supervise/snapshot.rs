//! What the loop tells about itself when it is asked.
#![forbid(unsafe_code)]

use super::command::Snapshot;
use super::report;
use super::runner::Runner;
use super::state::Life;
use crate::health::probe::Probe;
use crate::status::{ErrorRecord, ServicePhase};
use crate::sys::process;

impl Runner {
    pub(super) fn snapshot(&self) -> Snapshot {
        let names: Vec<&'static str> = self.plans.iter().map(|plan| plan.name).collect();
        let errors = self
            .logs
            .recent_errors()
            .into_iter()
            .map(|error| ErrorRecord {
                ts: error.ts,
                source: error.source.as_str().to_owned(),
                message: error.message,
            });
        let report = report::report(
            &self.supervisor,
            &names,
            &self.lacking,
            &self.facts,
            errors.collect(),
            report::log(&self.logs.counters()),
            self.now(),
        );
        let mut snapshot = Snapshot {
            report,
            stats: None,
            proxy: None,
            health: None,
            retiring: Vec::new(),
        };
        for (child, plan) in self.supervisor.children.iter().zip(&self.plans) {
            match (child.life, &plan.probe, child.state.pid()) {
                (Life::Serving, Probe::Uwsgi { stats, health, .. }, pid) => {
                    snapshot.stats = Some(stats.clone());
                    snapshot.health.clone_from(health);
                    if snapshot.report.ready
                        && pid.is_some_and(|pid| !process::has_living_children(pid))
                    {
                        snapshot.report.phase = ServicePhase::Degraded;
                        snapshot.report.ready = false;
                        snapshot.report.reason =
                            Some(format!("{} has no process that serves", plan.name));
                    }
                }
                (Life::Serving, Probe::Http { socket }, _) => {
                    snapshot.proxy = Some(socket.clone());
                }
                (Life::Retiring { .. }, Probe::Uwsgi { stats, .. }, Some(_)) => {
                    snapshot.retiring.push(stats.clone());
                }
                (Life::Canary | Life::Candidate { .. } | Life::Retiring { .. }, ..) => {}
            }
        }
        snapshot
    }
}
