//! Processes by number: reaping, and the workers of a child.

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::supervise::machine::Machine;
use crate::supervise::machine::child::Child;
use crate::sys::family;
use crate::sys::process;
use crate::sys::reap::{self, Reaped};

/// Reaps every process that has ended. The rest of a crashed child's process group is killed, unless it counts as
/// survivors. A child that ends as it was asked to has no processes of its own left: what is in its group has been
/// started by the application, and lives on until the launcher ends.
pub(super) fn reap(machine: &Machine) -> Vec<Reaped> {
    reap::reap_all(|ended| {
        let child = machine
            .children()
            .find(|(_, child)| child.state().pid() == Some(ended.pid));
        let spared =
            |child: &Child| child.leaves_survivors(ended.exit) || child.ends_as_asked(ended.exit);
        if child.is_some_and(|(_, child)| !spared(child)) {
            process::signal_group(ended.pid, Signal::SIGKILL);
        }
    })
}

/// Kills a worker; false when the process is not a child of a supervised child. Its number comes from statistics that
/// the workers' user could forge.
pub(super) fn kill_worker(machine: &Machine, worker: Pid) -> bool {
    let mut parents = machine
        .children()
        .filter_map(|(_, child)| child.state().pid());
    let known = parents.any(|parent| family::is_child_of(worker, parent));
    if known {
        process::signal(worker, Signal::SIGKILL);
    }
    known
}
