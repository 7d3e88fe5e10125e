//! System calls, and other processes.

use std::fs;

use serde_json::json;

use super::{run, service};
use crate::launcher::Launcher;
use crate::running::Running;

#[test]
fn calls_that_no_service_needs_are_refused() {
    let service = service(&json!({}));
    let mut running = Launcher::new(&service).start_ready();
    let calls = [
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("mount", libc::SYS_mount),
        ("bpf", libc::SYS_bpf),
        ("unshare", libc::SYS_unshare),
        ("keyctl", libc::SYS_keyctl),
        ("kexec_load", libc::SYS_kexec_load),
    ];
    for (name, number) in calls {
        // Without a filter, the arguments would be invalid (EINVAL, EFAULT), or there would be no process (ESRCH).
        let code = format!("result = call({number}, -1, 0, 0, 0, 0, 0)");
        assert_eq!(run(&running, &code), "EPERM", "{name}");
    }
    let user = format!(
        "result = call({}, {}, 0, 0, 0, 0)",
        libc::SYS_clone,
        libc::CLONE_NEWUSER | libc::CLONE_THREAD
    );
    assert_eq!(run(&running, &user), "EPERM");
    let shell =
        "import subprocess\nresult = subprocess.run(['unshare', '--user', 'true']).returncode";
    assert_eq!(run(&running, shell), json!(1));
    for master in [running.uwsgi_master(), running.nginx_master()] {
        let status = fs::read_to_string(format!("/proc/{}/status", master.pid)).unwrap();
        assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
        assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    }
    let text = json!({"use_nginx": true, "nginx_config": {"seccomp": false}});
    service.write("config/config.json", &text.to_string());
    running.run_command(&["reload"]).assert_code(0);
    let code = format!("result = call({}, 16, 999999999, 0, 0)", libc::SYS_ptrace);
    assert_eq!(run(&running, &code), "ESRCH");
    running
        .run_command(&["status", "--all"])
        .assert_says("seccomp off: nginx_config.seccomp is false");
    running.assert_runs();
}

/// The application and nginx's processes may have the same user; the sandbox still keeps them apart.
#[test]
fn the_memory_and_pipes_of_others_are_out_of_reach() {
    let read = |running: &Running, other: i32| {
        let own = "result = [outcome(lambda: os.stat('/proc/self/fd/1')), outcome(lambda: open('/proc/self/mem', 'rb'))]";
        assert_eq!(run(running, own), json!([null, null]));
        let code = format!(
            "result = [outcome(lambda: os.stat('/proc/{other}/fd/1')), outcome(lambda: open('/proc/{other}/mem', 'rb'))]"
        );
        run(running, &code)
    };
    let on = Launcher::new(&service(&json!({})))
        .for_nobody()
        .start_ready();
    for other in [on.nginx_workers()[0].pid, on.nginx_master().pid, on.pid()] {
        assert_eq!(read(&on, other), json!(["EACCES", "EACCES"]));
    }
    let off = service(&json!({"landlock": false}));
    let off = Launcher::new(&off).for_nobody().start_ready();
    let nginx = off.nginx_workers()[0].pid;
    assert_eq!(read(&off, nginx), json!([null, null]));
}
