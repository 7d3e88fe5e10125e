//! Workers that keep a child from ending: they have missed their stop signal, or hang.

use nix::unistd::Pid;

use super::Machine;
use super::action::Action;
use super::child::StopPolicy;
use super::identity::ChildId;
use super::outcome::Outcome;
use super::state::Phase;

/// What is done in place of the graceful signal with this number.
pub(super) fn action(policy: &StopPolicy, signals: u32, id: ChildId, pid: Pid) -> Action {
    match policy.stragglers {
        Some(policy) if signals.is_multiple_of(policy.every) => {
            if signals < policy.kill_from {
                Action::SignalStragglers(id, pid)
            } else {
                Action::KillStragglers(id, pid)
            }
        }
        _ => Action::StopGracefully(id, pid),
    }
}

impl Machine {
    /// The stop goes on, and its outcome tells.
    pub(super) fn stragglers_killed(&mut self, id: ChildId) {
        if let (
            Some(child),
            Phase::Stopping {
                outcome: outcome @ Outcome::Stopped,
                ..
            },
        ) = (self.children.get(id), &mut self.phase)
        {
            *outcome = Outcome::StragglersKilled(child.label());
        }
    }
}
