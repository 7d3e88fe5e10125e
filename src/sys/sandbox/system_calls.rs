//! The filter of system calls (seccomp(2)): refuses those by which a process gets at others, or at the kernel.
//!
//! It is a list of what is refused, not of what is let through: a service may use any library. The list is a part of what
//! the default profiles of Docker and Podman refuse, so that nearly every library has met it. A refused call fails with
//! EPERM, as it does there, and no process is killed.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

/// Refused whatever their arguments. `personality` is not among them: it changes only the programs that the caller
/// starts itself, and old ones need it.
const REFUSED: &[libc::c_long] = &[
    // Memory, registers and descriptors of other processes of the same user.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    // Another view of the file system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    // Files by their number, which lead out of a container.
    libc::SYS_open_by_handle_at,
    // Namespaces: in a user namespace of its own, every user has all capabilities.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Large parts of the kernel that only these calls reach, and most of its faults are in such parts. The libraries that
    // use io_uring (libuv) go on without it.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Keys of the kernel, which are of a user and of no container.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Flags of clone(2) that make a namespace.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

#[cfg(target_arch = "x86_64")]
const NATIVE: (TargetArch, u32) = (TargetArch::x86_64, 0xC000_003E);
#[cfg(target_arch = "aarch64")]
const NATIVE: (TargetArch, u32) = (TargetArch::aarch64, 0xC000_00B7);

/// Numbers from here on are of the x32 ABI, which has the same architecture as x86-64; no other has so many calls.
const X32: u32 = 0x4000_0000;

/// Requests of ioctl(2) that type into a terminal, as if its user did: into a shell of root (ioctl_tty(2),
/// ioctl_console(2)).
const TYPING: [u64; 2] = [TIOCSTI, TIOCLINUX];
/// include/uapi/asm-generic/ioctls.h
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541C;

/// The program for seccomp(2) that refuses all calls of the list.
pub(super) fn program() -> io::Result<BpfProgram> {
    let failed = io::Error::other::<seccompiler::BackendError>;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let namespaces = NAMESPACES.iter().map(|flag| makes(*flag));
    let namespaces = namespaces.collect::<Result<_, _>>().map_err(failed)?;
    rules.insert(libc::SYS_clone, namespaces);
    compile(rules)
}

/// The program that refuses only to type into a terminal.
pub(super) fn program_for_terminals() -> io::Result<BpfProgram> {
    compile(BTreeMap::new())
}

fn compile(mut rules: BTreeMap<i64, Vec<SeccompRule>>) -> io::Result<BpfProgram> {
    let failed = io::Error::other::<seccompiler::BackendError>;
    let typing = TYPING.iter().map(|request| types(*request));
    let typing = typing.collect::<Result<_, _>>().map_err(failed)?;
    rules.insert(libc::SYS_ioctl, typing);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal(libc::EPERM), NATIVE.0);
    let rest: BpfProgram = filter.and_then(TryInto::try_into).map_err(failed)?;
    let mut program = beginning();
    program.extend(rest);
    Ok(program)
}

/// A call of ioctl(2) with this request, of which the kernel looks at 32 bits.
fn types(request: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(
        1,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        request,
    )?])
}

/// A call of clone(2) with this flag.
fn makes(namespace: libc::c_int) -> Result<SeccompRule, seccompiler::BackendError> {
    let flag = u64::from(namespace.unsigned_abs());
    let has = SeccompCmpOp::MaskedEq(flag);
    SeccompRule::new(vec![SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        has,
        flag,
    )?])
}

/// What the compiler does not know: calls of other architectures (32-bit programs), whose numbers mean something else,
/// fail instead of ending the process, and there is no clone3(2).
///
/// The flags of clone3 are in memory, where no filter sees them, so a namespace could be made. With ENOSYS, the C
/// libraries use clone(2) instead, as they do in Docker.
fn beginning() -> BpfProgram {
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let end = |action| statement(libc::BPF_RET | libc::BPF_K, u32::from(action));
    // Goes on behind the next instruction unless the comparison holds.
    let unless = |comparison, value| sock_filter {
        jf: 1,
        ..statement(libc::BPF_JMP | comparison | libc::BPF_K, value)
    };
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or(u32::MAX);
    vec![
        load(4),
        sock_filter {
            jt: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, NATIVE.1)
        },
        end(refusal(libc::EPERM)),
        load(0),
        unless(libc::BPF_JGE, X32),
        end(refusal(libc::ENOSYS)),
        unless(libc::BPF_JEQ, clone3),
        end(refusal(libc::ENOSYS)),
    ]
}

fn refusal(errno: libc::c_int) -> SeccompAction {
    SeccompAction::Errno(errno.unsigned_abs())
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter {
        // The codes of instructions are below 256.
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt: 0,
        jf: 0,
        k,
    }
}
