//! Processes by number: reaping, and the workers of a child.

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::supervise::machine::Machine;
use crate::sys::process;
use crate::sys::reap::{self, Reaped};

/// Reaps every process that has ended. The rest of a dead child's process group is killed, unless it counts as
/// survivors.
pub(super) fn reap(machine: &Machine) -> Vec<Reaped> {
    reap::reap_all(|ended| {
        let child = machine
            .children()
            .find(|(_, child)| child.state().pid() == Some(ended.pid));
        if child.is_some_and(|(_, child)| !child.leaves_survivors(ended.exit)) {
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
    let known = parents.any(|parent| process::is_child_of(worker, parent));
    if known {
        process::signal(worker, Signal::SIGKILL);
    }
    known
}
