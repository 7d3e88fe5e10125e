//! A program that hangs when it is asked for its version blocks nothing, neither during a reload nor at the start.

use std::fs;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::fakes::fake;
use crate::family::{Process, zombies_of};
use crate::launcher::Launcher;
use crate::load::parallel;
use crate::output::Output;
use crate::restart::assert_is_restarted;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

/// uWSGI is asked twice, and may take 10 s for each answer; the rest is for a loaded machine.
const LIMIT: Duration = Duration::from_secs(30);

const REASON: &str = "it does not tell its version";

/// A program that serves, and hangs on request when it is asked for its version.
struct Hanging(TempDir);

impl Hanging {
    fn new(program: &str) -> Self {
        Self(fake(program, "hangs-on-request"))
    }

    fn marker(&self) -> PathBuf {
        self.0.path().join("hang")
    }

    fn hang(&self) {
        fs::write(self.marker(), "").unwrap();
    }

    fn answer(&self) {
        fs::remove_file(self.marker()).unwrap();
    }

    fn before(&self, launcher: Launcher) -> Launcher {
        launcher.path_before(self.0.path())
    }
}

/// The hung program and its child, which holds the output open.
fn hung(running: &Running) -> Vec<Process> {
    running.children_named("sleep")
}

fn wait_until_it_hangs(running: &Running) {
    until(Duration::from_secs(10), "the program hangs", || {
        (hung(running).len() == 2).then_some(())
    });
}

fn reload_in_background(running: &Running) -> JoinHandle<Output> {
    let command = running.command(&["reload"]);
    thread::spawn(move || command.output())
}

#[track_caller]
fn assert_probes_are_answered(running: &Running) {
    for path in ["/livez", "/readyz"] {
        let answer = running.ask_admin(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(
            answer.took < Duration::from_secs(1),
            "{path} took {:?}",
            answer.took
        );
    }
}

#[track_caller]
fn assert_a_killed_worker_is_replaced(running: &Running) {
    let before = running.uwsgi_workers();
    before[0].signal(Signal::SIGKILL);
    until(Duration::from_secs(5), "another worker", || {
        let now = running.uwsgi_workers();
        (now.len() == before.len() && !now.contains(&before[0])).then_some(())
    });
}

/// Everything that the launcher does beside a reload, in far less time than the reload is stuck.
#[track_caller]
fn assert_nothing_is_blocked(running: &mut Running) {
    wait_until_it_hangs(running);
    assert_probes_are_answered(running);
    running.get_ok("/");
    assert_a_killed_worker_is_replaced(running);
    assert_is_restarted(running, Running::nginx_master);
    assert_probes_are_answered(running);
    assert_eq!(hung(running).len(), 2, "the reload was not stuck meanwhile");
}

/// Nothing is left of what hung, and the next reload takes on the new code.
#[track_caller]
fn assert_recovers(running: &mut Running, service: &Service, program: &Hanging) {
    until(
        Duration::from_secs(5),
        "what hung is gone and reaped",
        || (hung(running).is_empty() && zombies_of(running.pid()).is_empty()).then_some(()),
    );
    assert_probes_are_answered(running);
    assert_eq!(running.get_ok("/version").text(), "1");
    program.answer();
    service.write_version("2");
    running.run_command(&["reload"]).assert_code(0);
    assert_eq!(running.get_ok("/version").text(), "2");
    running.stop(Duration::from_secs(15));
}

#[test]
fn a_reload_by_command_that_is_stuck_blocks_nothing_and_is_refused() {
    let (service, program) = (Service::with_slots(2), Hanging::new("uwsgi"));
    let mut running = program.before(Launcher::new(&service)).start_ready();
    program.hang();
    let reload = reload_in_background(&running);
    assert_nothing_is_blocked(&mut running);
    let output = reload.join().unwrap();
    output.assert_code(75).assert_says(REASON);
    assert!(output.exit.took < LIMIT, "{:?}", output.exit);
    assert_recovers(&mut running, &service, &program);
}

#[test]
fn a_reload_by_signal_that_is_stuck_blocks_nothing_and_is_refused() {
    let (service, program) = (Service::with_slots(2), Hanging::new("nginx"));
    let mut running = program.before(Launcher::new(&service)).start_ready();
    program.hang();
    running.signal(Signal::SIGHUP);
    assert_nothing_is_blocked(&mut running);
    running.log.wait_for_text(REASON);
    assert_recovers(&mut running, &service, &program);
}

#[test]
fn a_stop_does_not_wait_for_a_reload_that_is_stuck() {
    let (service, program) = (Service::with_slots(2), Hanging::new("uwsgi"));
    let mut running = program.before(Launcher::new(&service)).start_ready();
    program.hang();
    let reload = reload_in_background(&running);
    wait_until_it_hangs(&running);
    running.stop(Duration::from_secs(5));
    reload
        .join()
        .unwrap()
        .assert_code(75)
        .assert_says("the service is stopping");
}

#[test]
fn a_program_that_hangs_at_the_start_ends_the_command() {
    let commands: [(&str, &[&str], i32); 3] = [
        ("uwsgi", &["run", "--production"], 126),
        ("nginx", &["run", "--production"], 126),
        // It prints the plan also where uWSGI is missing.
        ("uwsgi", &["check"], 0),
    ];
    parallel(commands.len(), |number| {
        let (name, words, code) = commands[number];
        let service = Service::with_slots(2);
        let program = Hanging::new(name);
        program.hang();
        let launcher = program.before(Launcher::new(&service)).command(words);
        let mut running = launcher.start();
        let exit = running.wait_exit(LIMIT);
        let said = running.log.tail(10);
        assert_eq!(exit.code, Some(code), "{name}, {words:?}:\n{said}");
        if code == 126 {
            let path = program.0.path().join(name);
            let text = format!("cannot run {}: {REASON}", path.display());
            assert!(said.contains(&text), "{name}, {words:?}:\n{said}");
        }
        running.assert_nothing_left(Duration::from_secs(2));
    });
}
