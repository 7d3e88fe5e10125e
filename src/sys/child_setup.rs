//! The steps of a child between fork and exec: what it inherits, and what it may do.
//!
//! Only system calls on values that were made before the fork: nothing here allocates or takes a lock, because other
//! threads of the launcher may hold one at the moment of the fork.
#![expect(
    unsafe_code,
    reason = "descriptors by number, and calls that nix has no function for"
)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use super::credentials::Credentials;
use super::sandbox::Sandbox;

/// Upper bound for the soft limit on open files: uWSGI allocates memory for each possible descriptor, and container
/// runtimes set limits of up to 10^9.
const MAX_OPEN_FILES: u64 = 65_536;
/// The first descriptor after stdin, stdout and stderr.
const FIRST_OTHER: libc::c_uint = 3;
/// No kernel has more capabilities than a set has bits (capabilities(7)).
const MAX_CAPABILITIES: libc::c_ulong = 64;

/// What a child gets and loses.
#[derive(Debug)]
pub(super) struct ChildSetup {
    /// The descriptors that it inherits beside the first three.
    pub(super) inherit: Vec<RawFd>,
    pub(super) user: Option<Credentials>,
    /// Whether it keeps the terminal of the launcher.
    pub(super) has_terminal: bool,
    pub(super) batch: bool,
    pub(super) no_new_privs: bool,
    /// The mode bits that new files do not get; none: as the launcher has them.
    pub(super) umask: Option<Mode>,
    pub(super) death_signal: Signal,
    pub(super) launcher: Pid,
    pub(super) sandbox: Option<Sandbox>,
}

impl ChildSetup {
    /// To be called in the child.
    pub(super) fn prepare(&self) -> io::Result<()> {
        if !self.has_terminal {
            leave_terminal()?;
        }
        close_others_on_exec()?;
        for fd in &self.inherit {
            // SAFETY: the descriptor is open: `Spawn` borrows it until the call of `spawn` returns.
            let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        reset_signals()?;
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(MAX_OPEN_FILES), hard)?;
        if let Some(mask) = self.umask {
            umask(mask);
        }
        if self.batch {
            set_batch_scheduling();
        }
        if let Some(user) = &self.user {
            if user.is_powerless() {
                drop_bounding_set();
            }
            user.assume()?;
        }
        if self.no_new_privs {
            // From here on no setuid program and no file capability gives it more rights than it has (prctl(2)).
            nix::sys::prctl::set_no_new_privs()?;
        }
        nix::sys::prctl::set_pdeathsig(self.death_signal)?;
        if nix::unistd::getppid() != self.launcher {
            // The launcher died before the call above: the kernel would not send the signal any more.
            return Err(Errno::ESRCH.into());
        }
        if let Some(sandbox) = &self.sandbox {
            // The last step: those before may need what it forbids.
            sandbox.apply()?;
        }
        Ok(())
    }
}

/// Gives up the terminal of the session, for itself and all that it starts: who has the terminal of a shell can type into
/// it (ioctl_tty(2), TIOCSTI). Only the leader of a session can get another one.
///
/// A session of its own would do, too, but the kernel schedules sessions apart from each other (sched(7), "The autogroup
/// feature"): with nginx and uWSGI in two of them, a request cost a quarter more CPU time.
fn leave_terminal() -> io::Result<()> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let Ok(terminal) = nix::fcntl::open(c"/dev/tty", flags, Mode::empty()) else {
        // There is none.
        return Ok(());
    };
    // SAFETY: the request has no argument, and the descriptor is open.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) };
    Ok(Errno::result(result).map(drop)?)
}

/// Marks every descriptor but the first three to be closed by exec: also those that the launcher has inherited itself
/// from whoever started it.
fn close_others_on_exec() -> io::Result<()> {
    let mark = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: the call takes three numbers.
    if unsafe { libc::close_range(FIRST_OTHER, libc::c_uint::MAX, mark) } == 0 {
        return Ok(());
    }
    match Errno::last() {
        // Linux before 5.11, or a sandbox that does not know the call.
        Errno::ENOSYS | Errno::EINVAL | Errno::EPERM => {
            let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
            for number in FIRST_OTHER..u32::try_from(soft.min(MAX_OPEN_FILES)).unwrap_or(u32::MAX) {
                // SAFETY: the number is used as a number only: one that is not open is an error, which does no harm.
                unsafe { libc::fcntl(number.cast_signed(), libc::F_SETFD, libc::FD_CLOEXEC) };
            }
            Ok(())
        }
        error => Err(error.into()),
    }
}

/// Empties the set of capabilities that a later exec could give (capabilities(7)). Ignores failure: without the
/// capability SETPCAP it is forbidden, and then no_new_privs alone keeps the child from getting any.
fn drop_bounding_set() {
    for capability in 0..MAX_CAPABILITIES {
        // SAFETY: the call takes numbers.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            return;
        }
    }
}

/// Unblocks all signals and resets their dispositions.
fn reset_signals() -> io::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    for signal in Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default disposition runs no code of this program.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// Ignores failure: some sandboxes forbid the call, and without it only some throughput is lost.
fn set_batch_scheduling() {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` outlives the call, and 0 means the calling process.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const param) };
}
