//! The terminal in which the launcher was started goes: it stops, unless nohup(1) has started it. A SIGHUP that somebody
//! sends is a reload.

use std::io::Write as _;
use std::time::Duration;

use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::{PROBE_APP, Service};
use crate::wait::{pass_time, until};

/// Runs its arguments in a terminal of their own, with the stdout of the test; closes that terminal, or sends a signal, as a
/// line of its stdin says. Exits with their exit code at the end of its stdin.
const TERMINAL: &str = r#"
import fcntl, os, signal, sys, termios
master, slave = os.openpty()
pid = os.fork()
if pid == 0:
    os.setsid()
    # The tests themselves may run under nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.close(master)
    os.close(slave)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(slave)
for line in sys.stdin:
    if line == "close\n":
        os.close(master)
    else:
        os.kill(pid, int(line))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

const SOON: Duration = Duration::from_secs(25);

fn in_a_terminal(launcher: Launcher, words: &[&str]) -> Launcher {
    launcher
        .through(&[&["/usr/bin/python3", "-c", TERMINAL], words].concat())
        .with_input()
}

fn tell(running: &mut Running, line: &str) {
    let input = running.child.stdin.as_mut().unwrap();
    writeln!(input, "{line}").unwrap();
}

/// Waits for the end of what runs in the terminal.
#[track_caller]
fn exit_code(running: &mut Running) -> Option<i32> {
    drop(running.child.stdin.take());
    running.wait_exit(SOON).code
}

const GONE: &str = "The terminal has gone (SIGHUP): the service stops.";

#[test]
fn a_signal_reloads_and_the_end_of_the_terminal_stops() {
    let service = Service::with_slots(2);
    let mut running = in_a_terminal(Launcher::new(&service), &[]).start_ready();
    tell(&mut running, "1");
    running
        .log
        .wait_for_text("Reloaded: the new generation serves");
    assert!(!running.log.contains(GONE));
    tell(&mut running, "close");
    running.log.wait_for_text(GONE);
    assert_eq!(exit_code(&mut running), Some(0));
    assert!(running.log.contains("Stopped, as asked."));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn under_nohup_only_a_signal_means_something() {
    let service = Service::with_slots(2);
    let mut running = in_a_terminal(Launcher::new(&service), &["nohup"]).start_ready();
    tell(&mut running, "close");
    // One that is sent while the kernel's is pending is lost.
    until(SOON, "a reload", || {
        tell(&mut running, "1");
        pass_time(Duration::from_millis(100));
        running.log.contains("Reloading.").then_some(())
    });
    running
        .log
        .wait_for_text("Reloaded: the new generation serves");
    tell(&mut running, "15");
    assert_eq!(exit_code(&mut running), Some(0));
    assert!(!running.log.contains(GONE));
}

#[test]
fn development_ends_with_the_terminal() {
    let service = Service::empty().main_py(PROBE_APP);
    let launcher = Launcher::new(&service)
        .dev()
        .after(&["--log-level", "warn"]);
    let mut running = in_a_terminal(launcher, &[]).start();
    running.wait_ok("/", SOON);
    // The launcher's own message says as whom flask runs, at level info.
    assert!(!running.log.contains("microservice-flask: "));
    tell(&mut running, "close");
    // 128 and the number of SIGHUP: flask does not handle it.
    assert_eq!(exit_code(&mut running), Some(129));
    running.assert_nothing_left(Duration::from_secs(2));
}
