//! Survivors: the processes of a crashed child that still serve. They are a child of their own, with a process group in
//! place of a process. They retire like an old generation once a successor serves, and a stop waits for them as for any
//! other child.

use nix::unistd::Pid;

use super::Machine;
use super::action::Action;
use super::child::{Child, Purpose};
use super::identity::ChildId;
use super::state::ChildState;

impl Machine {
    pub(super) fn adopt_survivors(&mut self, of: ChildId, group: Pid) {
        let survivors = self.children.new_id();
        let Some(crashed) = self.children.get(of) else {
            return;
        };
        let child = Child::survivors(crashed, of, group, self.now);
        self.children.insert(survivors, child);
        self.act(Action::AdoptSurvivors {
            survivors,
            of,
            group,
        });
    }

    /// Lets the survivors of `of` finish: a successor serves, or there will be none.
    pub(super) fn retire_survivors(&mut self, of: ChildId) {
        for id in self
            .children
            .ids(|child| child.survivors_of == Some(of) && child.is_running())
        {
            self.retire(id);
        }
    }

    pub(super) fn survivors_gone(&mut self, id: ChildId) {
        if self
            .children
            .get(id)
            .is_some_and(|child| child.survivors_of.is_some())
        {
            self.transition(id, ChildState::Ended);
            self.forget(id);
        }
    }

    /// Removes a child that has ended for good. Its survivors use its files, so it is kept until the last of them has
    /// ended.
    pub(super) fn forget(&mut self, id: ChildId) {
        let has_survivors = self
            .children
            .all()
            .any(|child| child.survivors_of == Some(id) && child.state() != ChildState::Ended);
        if has_survivors {
            return;
        }
        let of = self.children.get(id).and_then(Child::survivors_of);
        self.children.remove(id);
        self.act(Action::Forget(id));
        if let Some(of) = of
            && self.children.get(of).is_some_and(|parent| {
                parent.state() == ChildState::Ended
                    && matches!(parent.purpose(), Purpose::Retiring { .. })
            })
        {
            self.forget(of);
        }
    }
}
