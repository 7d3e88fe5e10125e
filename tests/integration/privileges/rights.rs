//! The capabilities of a launcher that is root: the ones that it keeps are enough for a whole life, and the ones that it
//! needs are asked for.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{compromised, status_line};
use crate::launcher::Launcher;
use crate::service::Service;
use crate::wait::until;

/// What docs/operations.md says that it cannot do without.
const NEEDED: [&str; 4] = ["chown", "kill", "setgid", "setuid"];

/// setpriv(1) with these capabilities and no others.
fn with_capabilities(names: &[&str]) -> Vec<String> {
    let list: Vec<String> = names.iter().map(|name| format!(",+{name}")).collect();
    let list = format!("-all{}", list.concat());
    ["setpriv", "--bounding-set", &list, "--inh-caps", "-all"]
        .map(str::to_owned)
        .into()
}

fn through(service: &Service, names: &[&str]) -> Launcher {
    let words = with_capabilities(names);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Launcher::new(service).through(&words)
}

#[test]
fn four_capabilities_are_enough_for_a_whole_life() {
    let mut running = through(&compromised(), &NEEDED).start_ready();
    running.get_ok("/");
    for _ in 0..2 {
        running.run_command(&["reload"]).assert_code(0);
    }
    running.uwsgi_master().signal(Signal::SIGKILL);
    running.get_ok("/");
    until(Duration::from_secs(10), "ready again", || {
        running.is_ready().then_some(())
    });
    assert_eq!(running.status()["workers"].as_array().unwrap().len(), 1);
    running.run_command(&["restart-worker", "1"]).assert_code(0);
    running.stop(Duration::from_secs(15));
    running.assert_nothing_left(Duration::from_secs(5));
}

#[test]
fn each_of_them_is_asked_for() {
    for missing in NEEDED {
        let others: Vec<&str> = NEEDED.into_iter().filter(|name| *name != missing).collect();
        let refused = through(&compromised(), &others).output();
        refused.assert_code(77);
        refused.assert_says(&format!("CAP_{}", missing.to_uppercase()));
    }
    let refused = through(&compromised(), &[]).output();
    refused
        .assert_code(77)
        .assert_says("CAP_CHOWN, CAP_KILL, CAP_SETGID, CAP_SETUID");
}

#[test]
fn all_others_are_given_up() {
    let running = Launcher::new(&compromised()).start_ready();
    // chown, dac_override, kill, setgid, setuid, setpcap, net_admin, sys_ptrace: capabilities(7) by their numbers.
    let kept: u64 = [0, 1, 5, 6, 7, 8, 12, 19]
        .iter()
        .map(|number| 1 << number)
        .sum();
    let before =
        u64::from_str_radix(&status_line(std::process::id().cast_signed(), "CapPrm"), 16).unwrap();
    for set in ["CapPrm", "CapBnd", "CapEff"] {
        let what = format!("{set} is {:016x}", before & kept);
        until(Duration::from_secs(10), &what, || {
            // For moments it is another user towards files, and lacks some in its effective set.
            let left = u64::from_str_radix(&status_line(running.pid(), set), 16).unwrap();
            (left == before & kept).then_some(())
        });
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(status_line(running.pid(), set), "0000000000000000");
    }
}
