//! For what a reload waits.

use super::Machine;
use super::child::Child;
use super::identity::{ChildId, ChildLabel};
use super::state::{Phase, Reload};

/// For what a reload waits, or what is left of the generation that it has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReloadWait {
    /// The next generation is being made.
    Making,
    /// These children of it are not ready, for these reasons where one is known.
    Start(Vec<(ChildLabel, Option<String>)>),
    /// The new generation is ready, and a proxy of the old one still answers clients.
    OldConnections,
    /// The new generation serves, and these children of the old one have not ended.
    OldGeneration(Vec<ChildId>),
}

impl Machine {
    /// None when there is nothing to wait for, and during a stop.
    pub(crate) fn reload_waits_for(&self) -> Option<ReloadWait> {
        match self.phase {
            Phase::Serving => {}
            Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Done(_) => return None,
        }
        match self.reload {
            Reload::Preparing { .. } => Some(ReloadWait::Making),
            Reload::Starting { .. } => {
                let new = self.children.all().filter(|child| child.is_new());
                let starting = new.filter(|child| !child.is_running());
                let reasons = starting.map(|child| (child.label(), child.not_ready.clone()));
                Some(ReloadWait::Start(reasons.collect()))
            }
            Reload::Switching { .. } => Some(ReloadWait::OldConnections),
            Reload::Idle | Reload::Gathering { .. } | Reload::Reporting { .. } => {
                let left = |child: &Child| child.replaced && child.state().pid().is_some();
                let left = self.children.ids(left);
                (!left.is_empty()).then_some(ReloadWait::OldGeneration(left))
            }
        }
    }
}
