//! The collection of the machine's children. A child is removed when it is forgotten, so the collection does not grow.

use std::collections::BTreeMap;

use nix::unistd::Pid;

use super::child::Child;
use super::identity::{ChildId, Role};

/// The children, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(super) struct Children {
    by_id: BTreeMap<ChildId, Child>,
    next_id: u32,
}

impl Children {
    /// An id that no child has had.
    pub(super) fn new_id(&mut self) -> ChildId {
        let id = ChildId(self.next_id);
        self.next_id += 1;
        id
    }

    pub(super) fn insert(&mut self, id: ChildId, child: Child) {
        self.by_id.insert(id, child);
    }

    pub(super) fn remove(&mut self, id: ChildId) {
        self.by_id.remove(&id);
    }

    pub(super) fn get(&self, id: ChildId) -> Option<&Child> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ChildId) -> Option<&mut Child> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ChildId, &Child)> {
        self.by_id.iter().map(|(id, child)| (*id, child))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Child> {
        self.by_id.values()
    }

    /// The ids of the children that meet a condition now; a list, so that the children can be changed meanwhile.
    pub(super) fn ids(&self, condition: impl Fn(&Child) -> bool) -> Vec<ChildId> {
        self.iter()
            .filter(|(_, child)| condition(child))
            .map(|(id, _)| id)
            .collect()
    }

    pub(super) fn with_pid(&self, pid: Pid) -> Option<(ChildId, &Child)> {
        self.iter()
            .find(|(_, child)| child.state().pid() == Some(pid))
    }

    /// The child that serves in a role.
    pub(super) fn serving(&self, role: Role) -> Option<ChildId> {
        self.iter()
            .find(|(_, child)| child.serves() && child.label().role == role)
            .map(|(id, _)| id)
    }
}
