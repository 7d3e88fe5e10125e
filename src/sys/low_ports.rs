//! Ports below `net.ipv4.ip_unprivileged_port_start` for a program that runs as another user than root: it keeps the one
//! capability for that, as an ambient one (capabilities(7)), and none of root's others.
//!
//! Handing it a socket would be less, but flask takes a socket only from its own reloader.
#![expect(
    unsafe_code,
    reason = "between fork and exec: the crate `caps` allocates"
)]

use std::io;

use caps::{CapSet, Capability};
use nix::unistd::Uid;

/// `CAP_NET_BIND_SERVICE` (linux/capability.h).
const NET_BIND_SERVICE: u32 = 10;
/// Its bit in the first word of a set.
const BIT: u32 = 1 << NET_BIND_SERVICE;
/// `_LINUX_CAPABILITY_VERSION_3`: sets of two words.
const VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`; the process 0 is the caller.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The first port that needs no capability.
pub(crate) fn first_unprivileged() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024)
}

/// Whether the launcher has the capability, and so can leave it to a child. What the system does not tell counts as no.
pub(crate) fn may_be_granted() -> bool {
    caps::has_cap(None, CapSet::Permitted, Capability::CAP_NET_BIND_SERVICE).unwrap_or(false)
}

/// Changes the user of the calling process, which is root. It loses all capabilities, but for the one for low ports
/// where `keep` says so: that one stays over exec. Makes system calls only, as needed between fork and exec.
pub(super) fn set_user(user: Uid, keep: bool) -> io::Result<()> {
    if !keep {
        return Ok(nix::unistd::setuid(user)?);
    }
    // Exec clears this again.
    nix::sys::prctl::set_keepcaps(true)?;
    nix::unistd::setuid(user)?;
    let mut header = header();
    let only = Words {
        effective: BIT,
        permitted: BIT,
        inheritable: BIT,
    };
    let words = [only, Words::default()];
    // SAFETY: both point to values with the layout that the kernel expects of this version, which outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) })?;
    let none: libc::c_ulong = 0;
    let capability = libc::c_ulong::from(NET_BIND_SERVICE);
    let raise = libc::PR_CAP_AMBIENT_RAISE;
    // SAFETY: all arguments are numbers.
    let raised = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, capability, none, none) };
    check(raised.into())
}

fn header() -> Header {
    Header {
        version: VERSION,
        pid: 0,
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
