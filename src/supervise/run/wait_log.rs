//! Logs for what a reload waits, and what is left of the old generation: after 5 s, then every 10 s, later every minute.

use std::rc::Rc;
use std::time::Duration;

use super::children::ManagedChildren;
use super::stop_log;
use crate::supervise::machine::Machine;
use crate::supervise::machine::child::Child;
use crate::supervise::machine::identity::{ChildId, ChildLabel, Role};
use crate::supervise::machine::waiting::ReloadWait;
use crate::supervise::program::{Application, Program};
use crate::supervise::uptime::Uptime;

/// A reload that takes longer than this is worth a line.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// The time between two lines.
const INTERVAL: Duration = Duration::from_secs(10);
/// A wait of this length is no surprise any more: an old generation may take hours.
const LONG: Duration = Duration::from_secs(60);

/// What an old generation does that has no request left.
const NO_REQUESTS: &str =
    "it has no request left, and its processes still run threads or exit handlers";

/// Since when a reload waits, and when that is logged next.
#[derive(Debug, Default)]
pub(super) struct WaitLog {
    wait: Option<BegunWait>,
}

#[derive(Clone, Copy, Debug)]
struct BegunWait {
    since: Uptime,
    next: Uptime,
    /// The new generation serves.
    switched: bool,
}

impl WaitLog {
    /// How long the wait has taken, when it is time for a line. `switched`: none when nothing is waited for, else whether
    /// the new generation serves.
    fn due(&mut self, switched: Option<bool>, now: Uptime) -> Option<Duration> {
        let Some(switched) = switched else {
            self.wait = None;
            return None;
        };
        let begun = BegunWait {
            since: now,
            next: now.after(FIRST_AFTER),
            switched,
        };
        let wait = self.wait.filter(|wait| wait.switched == switched);
        let wait = self.wait.insert(wait.unwrap_or(begun));
        if now < wait.next {
            return None;
        }
        let took = now.since(wait.since);
        wait.next = now.after(if took < LONG { INTERVAL } else { LONG });
        Some(took)
    }

    /// To be called every few seconds. `step`: what is being done to make the next generation.
    pub(super) fn log(
        &mut self,
        machine: &Machine,
        children: &ManagedChildren,
        step: &str,
        now: Uptime,
    ) {
        let waits_for = machine.reload_waits_for();
        let switched = waits_for
            .as_ref()
            .map(|wait| matches!(wait, ReloadWait::OldGeneration(_)));
        let Some(took) = self.due(switched, now) else {
            return;
        };
        match waits_for {
            None => {}
            Some(ReloadWait::Making) => waits(took, step),
            Some(ReloadWait::Start(children)) => {
                let reasons: Vec<String> = children.iter().map(not_ready).collect();
                waits(took, &reasons.join("; "));
            }
            Some(ReloadWait::OldConnections) => {
                waits(took, "the old generation still answers clients");
            }
            Some(ReloadWait::OldGeneration(left)) => {
                log_old_generation(machine, children, &left, took);
            }
        }
    }
}

fn log_old_generation(
    machine: &Machine,
    children: &ManagedChildren,
    left: &[ChildId],
    took: Duration,
) {
    let applications: Vec<Rc<dyn Application>> = left
        .iter()
        .filter_map(|id| children.program(*id).and_then(Program::application))
        .collect();
    let labels = left
        .iter()
        .filter_map(|id| machine.child(*id).map(Child::label));
    let proxies = labels.filter(|label| label.role == Role::Proxy);
    let answering: Vec<String> = proxies
        .map(|label| format!("{} still answers clients", label.name))
        .collect();
    let requests = applications.iter().map(|application| {
        let requests = stop_log::in_flight(application.as_ref());
        requests.unwrap_or_else(|| NO_REQUESTS.to_owned())
    });
    let what: Vec<String> = requests.chain(answering).collect();
    tracing::info!(
        seconds = took.as_secs(),
        "The old generation finishes: {}.",
        what.join("; ")
    );
}

fn waits(took: Duration, what: &str) {
    tracing::info!(seconds = took.as_secs(), "The reload waits: {what}.");
}

/// Why a child of the new generation is not ready.
fn not_ready((label, reason): &(ChildLabel, Option<String>)) -> String {
    match reason {
        Some(reason) => format!("{reason} ({} of the new generation)", label.name),
        None => format!("{} of the new generation is being started", label.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_after_five_seconds_then_less_and_less_often() {
        let mut log = WaitLog::default();
        let at = |seconds: u64| Uptime(Duration::from_secs(seconds));
        let due = |switched: bool, seconds: u64, log: &mut WaitLog| {
            let due = log.due(Some(switched), at(seconds));
            due.map(|took| took.as_secs())
        };
        let mut lines = |switched: bool, seconds: std::ops::Range<u64>| -> Vec<u64> {
            seconds
                .filter_map(|now| due(switched, now, &mut log))
                .collect()
        };
        assert_eq!(lines(false, 100..130), [5, 15, 25]);
        // The wait for the old generation is another one.
        assert_eq!(
            lines(true, 130..400),
            [5, 15, 25, 35, 45, 55, 65, 125, 185, 245]
        );
        assert_eq!(log.due(None, at(400)), None);
        assert_eq!(log.due(Some(false), at(401)), None);
        assert_eq!(log.due(Some(false), at(406)), Some(Duration::from_secs(5)));
    }
}
