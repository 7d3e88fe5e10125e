//! What the launcher itself may do, and who may look into it: it gives up what it never uses.
#![forbid(unsafe_code)]

use std::io;
use std::sync::OnceLock;

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::stat::{Mode, umask};

/// The capabilities that the launcher keeps for its whole life where it has them (capabilities(7)); all others are given
/// up before a child is started. Each was found necessary by a run without it: docs/operations.md says for what.
pub(crate) const KEPT: [Capability; 8] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_KILL,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_PTRACE,
];

/// Those of them without which root cannot run the service: to start programs as other users, to give them what is
/// theirs, and to end them.
const NEEDED: [Capability; 4] = [
    Capability::CAP_CHOWN,
    Capability::CAP_KILL,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
];

/// The mask of new files with which the launcher was started.
static ORIGINAL_UMASK: OnceLock<Mode> = OnceLock::new();

/// For a launcher that runs or checks a service: it has no groups beside its own, from here on its new files are for its own user alone unless it says otherwise,
/// and no process of the same user may read its memory or take its descriptors (prctl(2), `PR_SET_DUMPABLE`). Children
/// get the mask that the launcher had. To be called once, before other threads are started.
pub(crate) fn protect() {
    if nix::unistd::geteuid().is_root()
        && let Err(error) = nix::unistd::setgroups(&[])
    {
        // A root launcher without that right says so before it does anything (`missing`).
        tracing::debug!(%error, "Cannot give up the supplementary groups.");
    }
    let mask = umask(Mode::S_IRWXG | Mode::S_IRWXO);
    // Called twice, the second value would not be the original one.
    let _: Result<(), Mode> = ORIGINAL_UMASK.set(mask);
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        // The kernel refuses no valid value; a sandbox may.
        tracing::debug!(%error, "Cannot forbid others to look into the launcher.");
    }
}

/// The mask of new files for children; none when [`protect`] was not called, and children inherit the launcher's.
pub(super) fn original_umask() -> Option<Mode> {
    ORIGINAL_UMASK.get().copied()
}

/// The names of the capabilities that a launcher needs and lacks, separated by commas; none when it has all that it needs,
/// as every user but root has. What the system does not tell counts as there.
pub(crate) fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let effective = caps::read(None, CapSet::Effective).ok()?;
    let missing = NEEDED.iter().filter(|needed| !effective.contains(needed));
    let names: Vec<String> = missing.map(ToString::to_string).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Gives up all capabilities but [`KEPT`], in all sets; keeps that for ports below 1024 too where a child needs it. They
/// belong to a thread, so this has to be called before other threads are started, which inherit them. The launcher's own
/// sockets have to be bound before.
pub(crate) fn give_up_capabilities(low_ports: bool) -> io::Result<()> {
    reduce_to(
        &KEPT
            .into_iter()
            .chain(low_ports.then_some(Capability::CAP_NET_BIND_SERVICE))
            .collect(),
    )
    .map_err(io::Error::other)
}

fn reduce_to(kept: &CapsHashSet) -> Result<(), caps::errors::CapsError> {
    let bounding = caps::read(None, CapSet::Bounding)?;
    let permitted = caps::read(None, CapSet::Permitted)?;
    if permitted.contains(&Capability::CAP_SETPCAP) {
        for capability in bounding.difference(kept) {
            caps::drop(None, CapSet::Bounding, *capability)?;
        }
    }
    caps::clear(None, CapSet::Inheritable)?;
    let left: CapsHashSet = permitted.intersection(kept).copied().collect();
    caps::set(None, CapSet::Effective, &left)?;
    caps::set(None, CapSet::Permitted, &left)
}
