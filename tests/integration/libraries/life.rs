//! The life of one service: start, 200 requests, a reload under load, the loss of a worker, and a stop.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::alarms::assert_no_false_alarms;
use super::traffic::Traffic;
use super::venv;
use crate::family::Process;
use crate::launcher::Launcher;
use crate::log::Line;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const SLOTS: usize = 4;

/// For a change of the processes, on a loaded machine.
const SOON: Duration = Duration::from_secs(20);

/// A stop of a service that has nothing to wait for takes less than a second; this is far below stop_timeout.
const STOP: Duration = Duration::from_secs(10);

/// What the launcher warns of: the import has left these in the process from which all workers are forked.
pub(super) const CONNECTIONS: &str = "opened connections when it was imported";
pub(super) const THREADS: &str = "started threads when it was imported";

/// A service of tests/libraries that is not started yet.
pub(super) struct Trial {
    name: &'static str,
    main_py: String,
    config: Value,
    environment: Vec<(&'static str, String)>,
}

impl Trial {
    pub(super) fn new(name: &'static str) -> Self {
        let folder = venv::folder(name);
        let config = fs::read(folder.join("config/config.json")).unwrap();
        Self {
            name,
            main_py: fs::read_to_string(folder.join("src/main.py")).unwrap(),
            config: serde_json::from_slice(&config).unwrap(),
            environment: Vec::new(),
        }
    }

    pub(super) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// With the key that the launcher's warning names: each worker imports the application.
    pub(super) fn lazy(mut self) -> Self {
        self.config["uwsgi_config"]["lazy-apps"] = json!(true);
        self
    }

    /// With another line in the code.
    #[track_caller]
    pub(super) fn instead(mut self, old: &str, new: &str) -> Self {
        assert!(self.main_py.contains(old), "{} has no {old}", self.name);
        self.main_py = self.main_py.replace(old, new);
        self
    }

    pub(super) fn start(self) -> Life {
        let service = Service::empty().main_py(&self.main_py).config(&self.config);
        symlink(venv::of(self.name), service.root().join("venv")).unwrap();
        let environment = self.environment.into_iter();
        let launcher = environment.fold(Launcher::new(&service), |launcher, (name, value)| {
            launcher.env(name, value)
        });
        let running = launcher.start_ready();
        Life {
            traffic: Traffic::to(running.address),
            service,
            running,
            killed: 0,
        }
    }
}

/// A service that runs.
pub(super) struct Life {
    pub(super) running: Running,
    pub(super) traffic: Traffic,
    service: Service,
    /// The worker that was killed; 0 before.
    pub(super) killed: i64,
}

impl Life {
    /// All of it but the end.
    pub(super) fn live(&mut self) {
        self.traffic.send(200);
        self.reload();
        self.lose_a_worker();
    }

    /// A reload under load, to its end.
    pub(super) fn reload(&mut self) {
        let running = &self.running;
        self.traffic.send_during(|| {
            running.run_command(&["reload"]).assert_code(0);
        });
        until(SOON, "only the new generation", || {
            let masters = running.children_named("uwsgi").into_iter();
            let masters = masters.filter(|process| process.parent == running.pid());
            (masters.count() == 1).then_some(())
        });
    }

    fn lose_a_worker(&mut self) {
        let before = self.workers();
        let victim = before.iter().next().unwrap().clone();
        self.killed = victim.pid.into();
        let running = &self.running;
        self.traffic.send_during(|| {
            victim.signal(Signal::SIGKILL);
            victim.wait_gone(SOON);
            until(SOON, "a new worker", || {
                let workers = workers_of(running);
                (workers.len() == SLOTS && !workers.contains(&victim)).then_some(())
            });
        });
    }

    /// The workers that serve, all of them.
    pub(super) fn workers(&self) -> BTreeSet<Process> {
        until(SOON, "all workers", || {
            Some(workers_of(&self.running)).filter(|workers| workers.len() == SLOTS)
        })
    }

    /// The end: by request, in time, and with exit code 0.
    #[track_caller]
    pub(super) fn stop(&mut self) {
        let exit = self.running.stop(STOP);
        assert!(exit.took < STOP, "{exit:?}");
    }

    /// Asserts that nothing in the log would alarm anybody, but for records that contain one of these texts.
    #[track_caller]
    pub(super) fn assert_quiet(&self, rightly: &[&str]) {
        assert_no_false_alarms(&self.running.log, rightly);
    }

    /// The numbers of all requests whose worker was not killed: nothing of them may be lost.
    pub(super) fn numbers(&self) -> BTreeSet<u64> {
        self.traffic.numbers_beside(self.killed)
    }

    /// A file that the service writes.
    pub(super) fn state(&self, name: &str) -> PathBuf {
        self.service.root().join("state").join(name)
    }

    /// The numbers in such a file, one a line.
    #[track_caller]
    pub(super) fn numbers_in(&self, name: &str) -> Vec<u64> {
        let text = fs::read_to_string(self.state(name)).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// GET that is answered with JSON.
    #[track_caller]
    pub(super) fn report(&self) -> Value {
        self.running.get_ok("/report").json()
    }

    /// Waits for the launcher's warning about what the import has left open; it names the key that cures it.
    #[track_caller]
    pub(super) fn wait_for_warning(&self, what: &str) -> Line {
        let warning = self.running.log.wait_for(what, |line| {
            line.is_from("launcher") && line.message().contains(what)
        });
        assert!(warning.text.contains("lazy-apps"), "{}", warning.text);
        warning
    }
}

fn workers_of(running: &Running) -> BTreeSet<Process> {
    let is_worker = |process: &Process| process.name.starts_with("uwsgi");
    running
        .uwsgi_workers()
        .into_iter()
        .filter(is_worker)
        .collect()
}

/// Asserts that all of these have arrived.
#[track_caller]
pub(super) fn assert_arrived(sent: &BTreeSet<u64>, arrived: impl IntoIterator<Item = u64>) {
    let arrived: BTreeSet<u64> = arrived.into_iter().collect();
    let lost: Vec<_> = sent.difference(&arrived).collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {:?}",
        lost.len(),
        sent.len(),
        &lost[..lost.len().min(20)]
    );
}

/// The numbers in a list of JSON.
pub(super) fn as_numbers(list: &[Value]) -> impl Iterator<Item = u64> {
    list.iter().filter_map(Value::as_u64)
}
