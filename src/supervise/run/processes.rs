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

/// Kills a worker of one of these main processes; false when it is a child of none of them. Its number comes from
/// statistics that the workers' user could forge, and the process may be another program's.
pub(super) fn kill_worker(parents: &[Pid], worker: Pid) -> bool {
    let known = parents
        .iter()
        .any(|parent| family::is_child_of(worker, *parent));
    if known {
        process::signal(worker, Signal::SIGKILL);
    }
    known
}
