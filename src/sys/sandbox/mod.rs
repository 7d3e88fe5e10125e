//! The sandbox of a child: files that it may write (Landlock), system calls that it may make (seccomp).
//!
//! Everything that opens, allocates or can fail for a reason of its own happens in the launcher ([`Sandbox::prepare`]):
//! between fork and exec the child only gives up its rights ([`Sandbox::apply`]). What a child starts inherits all of it,
//! and nothing can take it off again. [`landlock`] makes the rules for files, [`system_calls`] the filter; whether the
//! kernel takes them is tried by [`try_landlock`] and [`try_seccomp`].
#![expect(
    unsafe_code,
    reason = "landlock_restrict_self and seccomp have no safe form that allocates nothing"
)]

mod landlock;
mod system_calls;

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use seccompiler::{BpfProgram, sock_filter};

pub(crate) use self::landlock::{AbiError, Writable, abi};

/// What the sandbox of a child lets through; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SandboxRules {
    /// The files that it may write; none: all.
    pub(crate) writable: Option<Writable>,
    /// Whether the system calls are refused that no service needs.
    pub(crate) refuses_calls: bool,
    /// Whether at least those are refused that type into a terminal.
    pub(crate) refuses_typing: bool,
}

/// A sandbox for one start of a child.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    files: Option<OwnedFd>,
    calls: Option<BpfProgram>,
}

impl Sandbox {
    /// Makes what the child needs. Folders that do not exist are left out.
    pub(crate) fn prepare(rules: &SandboxRules) -> io::Result<Self> {
        Ok(Self {
            files: rules.writable.as_ref().map(landlock::ruleset).transpose()?,
            calls: match (rules.refuses_calls, rules.refuses_typing) {
                (true, _) => Some(system_calls::program()?),
                (false, true) => Some(system_calls::program_for_terminals()?),
                (false, false) => None,
            },
        })
    }

    /// Confines the calling thread, and all that it starts. For use between fork and exec: makes system calls only, on
    /// values that exist.
    pub(crate) fn apply(&self) -> io::Result<()> {
        if self.files.is_none() && self.calls.is_none() {
            return Ok(());
        }
        // Without it, both need the capability SYS_ADMIN: a set-user-ID program could be confined against its will.
        nix::sys::prctl::set_no_new_privs()?;
        if let Some(ruleset) = &self.files {
            restrict_files(ruleset.as_raw_fd())?;
        }
        if let Some(program) = &self.calls {
            restrict_calls(program)?;
        }
        Ok(())
    }
}

fn restrict_files(ruleset: RawFd) -> io::Result<()> {
    // SAFETY: the call takes two numbers.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) };
    (result == 0)
        .then_some(())
        .ok_or_else(io::Error::last_os_error)
}

fn restrict_calls(program: &[sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        // The kernel takes 4,096 instructions, and the compiler refuses to make more.
        len: u16::try_from(program.len()).unwrap_or(u16::MAX),
        // Both types are the kernel's `struct sock_filter`. The kernel only reads it.
        filter: program.as_ptr().cast_mut().cast(),
    };
    let install = |flags: libc::c_ulong| {
        // SAFETY: the program and its instructions outlive the call, which copies them.
        unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        }
    };
    // Linux before 5.16 would slow down every filtered process by a protection against speculation of its own code.
    if install(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW) == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // Other kernels than Linux do not know the flag.
    if error.raw_os_error() == Some(libc::EINVAL) && install(0) == 0 {
        return Ok(());
    }
    Err(error)
}

/// Whether a child can be confined to files: a thread tries it on itself, and ends.
pub(crate) fn try_landlock() -> io::Result<()> {
    attempt(SandboxRules {
        writable: Some(Writable::default()),
        refuses_calls: false,
        refuses_typing: false,
    })
}

/// Whether a child can be refused system calls: a thread tries it on itself, and ends.
pub(crate) fn try_seccomp() -> io::Result<()> {
    attempt(SandboxRules {
        writable: None,
        refuses_calls: true,
        refuses_typing: true,
    })
}

/// Both belong to a thread, not to the process, so that the launcher keeps its rights.
fn attempt(rules: SandboxRules) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("sandbox".to_owned());
    let running = thread.spawn(move || Sandbox::prepare(&rules)?.apply())?;
    running
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the attempt has panicked")))
}

#[cfg(test)]
#[path = "sandbox_tests.rs"]
mod tests;
