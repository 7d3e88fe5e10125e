//! Children get the descriptors, the rights and the mask of new files that they are given, and no others.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use super::{compromised, run, status_line};
use crate::launcher::Launcher;
use crate::running::Running;

/// Where the open descriptors of a process lead to.
fn links(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .map(|link| link.display().to_string())
        .collect()
}

fn programs(running: &Running) -> Vec<i32> {
    let mut pids = vec![running.nginx_master().pid, running.uwsgi_master().pid];
    pids.extend(running.nginx_workers().iter().map(|worker| worker.pid));
    pids.extend(running.uwsgi_workers().iter().map(|worker| worker.pid));
    pids
}

#[test]
fn what_the_launcher_was_started_with_stays_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "of whoever started the launcher").unwrap();
    let secret = File::open(&path).unwrap();
    // Without the mark, a program that is started inherits it.
    nix::fcntl::fcntl(
        &secret,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
    )
    .unwrap();
    let running = Launcher::new(&compromised()).start_ready();
    let path = path.display().to_string();
    assert!(
        links(running.pid()).contains(&path),
        "{} is inherited",
        secret.as_raw_fd()
    );
    for pid in programs(&running) {
        assert!(!links(pid).contains(&path), "{pid}");
    }
    let of_request = running.get_ok("/descriptors").text();
    assert!(!of_request.contains(&path), "{of_request}");
}

#[test]
fn nobody_gets_more_rights_and_new_files_of_the_launcher_are_its_own() {
    let running = Launcher::new(&compromised())
        .through(&["sh", "-c", "umask 027; exec \"$0\" \"$@\""])
        .start_ready();
    for pid in programs(&running) {
        assert_eq!(status_line(pid, "NoNewPrivs"), "1", "{pid}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status_line(pid, set), "0000000000000000", "{set} of {pid}");
        }
        assert_eq!(status_line(pid, "Umask"), "0027", "{pid}");
    }
    assert_eq!(status_line(running.pid(), "Umask"), "0077");
    let said = run(
        &running,
        "cp /usr/bin/id /tmp/id-$$ && chmod 4755 /tmp/id-$$ && /tmp/id-$$ -u; rm /tmp/id-$$",
    );
    assert_eq!(said.trim(), "33", "a file of its own with the setuid bit");
}

#[test]
fn nobody_of_the_same_user_looks_into_the_launcher() {
    let mut running = Launcher::new(&compromised()).for_nobody().start_ready();
    let pid = running.pid();
    let said = run(
        &running,
        &format!("cat /proc/{pid}/environ; head -c 1 /proc/{pid}/mem; ls /proc/{pid}/fd/"),
    );
    assert_eq!(said.matches("ermission denied").count(), 3, "{said}");
    assert!(!said.contains("LAUNCHER_TEST_MARK"), "{said}");
    running.run_command(&["reload"]).assert_code(0);
    running.stop(Duration::from_secs(15));
}
