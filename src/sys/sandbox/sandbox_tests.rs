//! A thread is confined, as a child is before its exec.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::errno::Errno;

use super::*;

/// Runs a function on a thread in a sandbox.
fn inside<T: Send + 'static>(rules: &SandboxRules, run: impl FnOnce() -> T + Send + 'static) -> T {
    let sandbox = Sandbox::prepare(rules).unwrap();
    let thread = std::thread::spawn(move || {
        sandbox.apply().unwrap();
        run()
    });
    thread.join().unwrap()
}

fn errno<T>(result: io::Result<T>) -> Option<Errno> {
    let error = result.err()?;
    error.raw_os_error().map(Errno::from_raw)
}

fn writable(own: &[&Path], others: &[&Path]) -> SandboxRules {
    let owned = |paths: &[&Path]| paths.iter().map(|path| (*path).to_owned()).collect();
    SandboxRules {
        writable: Some(Writable {
            own: owned(own),
            others: owned(others),
        }),
        refuses_calls: false,
        refuses_typing: false,
    }
}

#[test]
fn only_what_is_named_can_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for name in ["own", "other", "closed"] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("file"), "old").unwrap();
    }
    fs::write(root.join("single"), "old").unwrap();
    symlink(root.join("closed"), root.join("link")).unwrap();
    let [own, other, single, link] = ["own", "other", "single", "link"].map(|name| root.join(name));
    let missing = root.join("missing");
    let rules = writable(&[&own], &[&other, &single, &link, &missing]);
    inside(&rules, move || {
        for name in ["own", "other"] {
            let folder = root.join(name);
            fs::write(folder.join("file"), "new").unwrap();
            fs::create_dir_all(folder.join("a/b")).unwrap();
            fs::rename(folder.join("file"), folder.join("a/file")).unwrap();
            fs::remove_file(folder.join("a/file")).unwrap();
        }
        fs::write(&single, "new").unwrap();
        fs::write("/dev/null", "x").unwrap();
        let closed = root.join("closed");
        assert_eq!(fs::read_to_string(closed.join("file")).unwrap(), "old");
        let denied = Some(Errno::EACCES);
        assert_eq!(errno(fs::write(closed.join("file"), "new")), denied);
        assert_eq!(errno(fs::write(closed.join("new"), "new")), denied);
        assert_eq!(errno(fs::write(link.join("new"), "new")), denied);
        assert_eq!(errno(fs::remove_file(closed.join("file"))), denied);
        assert_eq!(errno(fs::remove_file(&single)), denied);
        assert_eq!(errno(fs::create_dir(&missing)), denied);
        let cut = nix::unistd::truncate(&closed.join("file"), 0);
        assert_eq!(cut.is_err(), abi().unwrap() >= 3, "{cut:?}");
    });
}

/// The error of a system call with these arguments.
fn call(number: libc::c_long, arguments: [libc::c_long; 3]) -> Option<Errno> {
    let [a, b, c] = arguments;
    // SAFETY: the calls of these tests fail, or do nothing to memory, also where no filter refuses them.
    let result = unsafe { libc::syscall(number, a, b, c) };
    (result < 0).then(Errno::last)
}

fn refused() -> SandboxRules {
    SandboxRules {
        writable: None,
        refuses_calls: true,
        refuses_typing: false,
    }
}

#[test]
fn calls_at_other_processes_and_the_kernel_are_refused() {
    inside(&refused(), || {
        for number in [
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_mount,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_unshare,
            libc::SYS_kexec_load,
            libc::SYS_io_uring_setup,
        ] {
            assert_eq!(call(number, [-1, 0, 0]), Some(Errno::EPERM), "{number}");
        }
        assert_eq!(call(libc::SYS_getppid, [0; 3]), None);
    });
}

#[test]
fn processes_are_started_but_no_namespaces() {
    inside(&refused(), || {
        let status = std::process::Command::new("/bin/true").status().unwrap();
        assert!(status.success());
        std::thread::spawn(|| ()).join().unwrap();
        assert_eq!(call(libc::SYS_clone3, [0, 0, 0]), Some(Errno::ENOSYS));
        for flag in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWNET] {
            // CLONE_THREAD without CLONE_VM is an invalid argument, if it gets as far.
            let flags = libc::c_long::from(flag | libc::CLONE_THREAD);
            assert_eq!(call(libc::SYS_clone, [flags, 0, 0]), Some(Errno::EPERM));
        }
        let flags = libc::c_long::from(libc::CLONE_THREAD);
        assert_eq!(call(libc::SYS_clone, [flags, 0, 0]), Some(Errno::EINVAL));
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn foreign_architectures_get_no_calls() {
    /// getpid as a 32-bit program calls it; the number is that of `writev` for 64 bits.
    fn getpid_of_32_bits() -> i32 {
        let result: i32;
        // SAFETY: getpid takes no arguments and changes nothing but its result.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("eax") 20 => result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        }
        result
    }
    inside(&refused(), || {
        assert_eq!(getpid_of_32_bits(), -libc::EPERM);
        let x32 = libc::SYS_getppid | 0x4000_0000;
        assert_eq!(call(x32, [0; 3]), Some(Errno::ENOSYS));
    });
}

#[test]
fn an_attempt_leaves_the_launcher_as_it_is() {
    try_landlock().unwrap();
    try_seccomp().unwrap();
    let file = tempfile::tempdir().unwrap();
    fs::write(file.path().join("x"), "x").unwrap();
    assert!(!nix::sys::prctl::get_no_new_privs().unwrap());
}
