//! Rulesets of Landlock (landlock(7)): what may be written where. Reading and executing are never restricted.
#![expect(unsafe_code, reason = "the version of Landlock has no safe form")]

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, AccessFs, BitFlags, PathBeneath, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _,
};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

/// The rights of this version are restricted, as far as the kernel has them. Later ones concern devices (`IOCTL_DEV`, by
/// which terminals are set) and sockets.
const RIGHTS: ABI = ABI::V3;

/// Existing files below these may be written: /dev/null and terminals; a process's own settings in /proc. Whose settings
/// of another process may be written is decided by its user.
const SYSTEM: [&str; 2] = ["/dev", "/proc"];

/// The files that a child may write, beside devices and /proc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writable {
    /// Folders that the launcher has made, in folders that only it may change.
    pub(crate) own: Vec<PathBuf>,
    /// Other folders and files, free of links: a link on the way to one was put there later, and is not followed.
    pub(crate) others: Vec<PathBuf>,
}

/// Why the version of Landlock is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbiError {
    /// The kernel is older, or built without it.
    Unknown,
    /// It is built in, and switched off at boot.
    SwitchedOff,
    /// Another error, such as a filter that forbids the call.
    Other(Errno),
}

/// The version of the kernel's Landlock.
pub(crate) fn abi() -> Result<u32, AbiError> {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag, the call takes no structure.
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            VERSION,
        )
    };
    u32::try_from(result).map_err(|_| match Errno::last() {
        Errno::ENOSYS => AbiError::Unknown,
        Errno::EOPNOTSUPP => AbiError::SwitchedOff,
        other => AbiError::Other(other),
    })
}

/// The ruleset of a child.
pub(super) fn ruleset(writable: &Writable) -> io::Result<OwnedFd> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_write(RIGHTS))
        .and_then(Ruleset::create)
        .map_err(io::Error::other)?;
    for path in SYSTEM {
        ruleset = allow(
            ruleset,
            open(Path::new(path), Links::Followed)?,
            of_a_file(),
        )?;
    }
    let own = writable.own.iter().map(|path| (path, Links::Followed));
    let others = writable.others.iter().map(|path| (path, Links::Refused));
    for (path, links) in own.chain(others) {
        match open(path, links) {
            Ok(file) => {
                let rights = rights(&file)?;
                ruleset = allow(ruleset, file, rights)?;
            }
            // It has gone since the plan was made, or a link has come: nothing is to be written there.
            Err(error) => tracing::debug!(path = %path.display(), %error, "Not writable."),
        }
    }
    Option::<OwnedFd>::from(ruleset)
        .ok_or_else(|| io::Error::other("the kernel has made no ruleset of Landlock"))
}

fn allow(
    ruleset: RulesetCreated,
    file: OwnedFd,
    rights: BitFlags<AccessFs>,
) -> io::Result<RulesetCreated> {
    ruleset
        .add_rule(PathBeneath::new(file, rights))
        .map_err(io::Error::other)
}

/// Whether links on the way to a file are followed. A link at its end never is.
#[derive(Clone, Copy)]
enum Links {
    Followed,
    Refused,
}

fn open(path: &Path, links: Links) -> io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
        .mode(Mode::empty())
        .resolve(match links {
            Links::Followed => ResolveFlag::empty(),
            Links::Refused => ResolveFlag::RESOLVE_NO_SYMLINKS,
        });
    Ok(openat2(AT_FDCWD, path, how)?)
}

/// All rights in a folder but those to make devices, which no service has a use for; to write, for a file.
fn rights(file: &OwnedFd) -> io::Result<BitFlags<AccessFs>> {
    let kind = SFlag::from_bits_truncate(fstat(file)?.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFDIR {
        let devices = AccessFs::MakeBlock | AccessFs::MakeChar;
        Ok(AccessFs::from_write(RIGHTS) & !devices)
    } else {
        Ok(of_a_file())
    }
}

fn of_a_file() -> BitFlags<AccessFs> {
    AccessFs::WriteFile | AccessFs::Truncate
}
