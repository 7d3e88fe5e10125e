//! A running launcher: requests, signals, its processes and its exit.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::connection::Connection;
use crate::family::{Marks, Process, end_all, family};
use crate::http::{Failure, Request, Response, TIMEOUT, Target, get};
use crate::launcher::Launcher;
use crate::log::{Log, Stream};
use crate::output::Output;
use crate::wait::{poll, until};

/// From the start to the first 200 on `/readyz`, on a loaded machine.
const READY: Duration = Duration::from_secs(30);

/// A started launcher. Dropping it kills its processes.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// The launcher itself.
    pub(crate) root: Option<Process>,
    pub(crate) log: Log,
    pub(crate) readers: Vec<JoinHandle<()>>,
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) app: PathBuf,
    pub(crate) runtime: PathBuf,
    // Held for its Drop.
    pub(crate) _folders: (Option<TempDir>, Option<Arc<TempDir>>),
    pub(crate) marks: Marks,
    pub(crate) environment: BTreeMap<String, String>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) took: Duration,
}

pub(crate) fn exit_of(status: ExitStatus, took: Duration) -> Exit {
    Exit {
        code: status.code(),
        signal: status.signal(),
        took,
    }
}

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    // Requests.

    pub(crate) fn get(&self, path: &str) -> Result<Response, Failure> {
        get(self.address, path)
    }

    /// GET that must be answered 200.
    #[track_caller]
    pub(crate) fn get_ok(&self, path: &str) -> Response {
        self.send_ok(&Request::get(path).header("Connection", "close"))
    }

    pub(crate) fn send(&self, request: &Request) -> Result<Response, Failure> {
        request.send(self.address)
    }

    /// A request that must be answered 200.
    #[track_caller]
    pub(crate) fn send_ok(&self, request: &Request) -> Response {
        match self.send(request) {
            Ok(response) if response.status == 200 => response,
            Ok(response) => panic!("{request:?}: {} {}", response.status, response.text()),
            Err(failure) => panic!("{request:?}: {failure}"),
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&Target::from(self.address), TIMEOUT).unwrap()
    }

    /// Sends these bytes on a new connection, and reads one response to such a method.
    pub(crate) fn send_bytes(
        &self,
        method: &str,
        bytes: impl AsRef<[u8]>,
    ) -> Result<Response, Failure> {
        let deadline = Instant::now() + TIMEOUT;
        let mut connection = self.connect();
        connection.write(bytes.as_ref(), deadline)?;
        connection.read_response(method, deadline)
    }

    pub(crate) fn ask_admin(&self, path: &str) -> Result<Response, Failure> {
        let request = Request::get(path)
            .header("Connection", "close")
            .timeout(Duration::from_secs(5));
        request.send(self.admin.unwrap())
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// A command that queries this launcher.
    pub(crate) fn command(&self, words: &[&str]) -> Launcher {
        let mut launcher = Launcher::for_folder(&self.app)
            .command(words)
            .runtime_dir(&self.runtime);
        for (name, value) in &self.environment {
            launcher = launcher.env(name, value);
        }
        // The command does not belong to this launcher's family.
        launcher.without_env("LAUNCHER_TEST_MARK").admin(self.admin)
    }

    #[track_caller]
    pub(crate) fn run_command(&self, words: &[&str]) -> Output {
        self.command(words).output()
    }

    /// `status --json`.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        let output = self.run_command(&["status", "--json"]);
        serde_json::from_str(&output.stdout())
            .unwrap_or_else(|error| panic!("status --json is no JSON ({error}): {}", output.text()))
    }

    /// Starts to read a stdout that the test has passed to the launcher.
    pub(crate) fn read_stdout(&mut self, from: impl Read + Send + 'static) {
        self.readers.push(self.log.collect(Stream::Stdout, from));
    }

    // Waiting.

    pub(crate) fn is_ready(&self) -> bool {
        self.ask_admin("/readyz")
            .is_ok_and(|response| response.status == 200)
    }

    #[track_caller]
    pub(crate) fn wait_ready(&mut self) {
        let ready = poll(READY, || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended before it was ready: {status}");
            }
            self.is_ready().then_some(())
        });
        assert!(ready.is_some(), "not ready in {READY:?}:");
    }

    #[track_caller]
    pub(crate) fn wait_not_ready(&self, deadline: Duration) {
        until(deadline, "not ready any more", || {
            (!self.is_ready()).then_some(())
        });
    }

    /// Waits until the service answers this path with 200.
    #[track_caller]
    pub(crate) fn wait_ok(&self, path: &str, deadline: Duration) -> Response {
        until(deadline, &format!("{path} is answered 200"), || {
            self.get(path)
                .ok()
                .filter(|response| response.status == 200)
        })
    }

    // Signals and exit.

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    #[track_caller]
    pub(crate) fn assert_runs(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "the launcher has ended, {ended:?}:");
    }

    /// Waits for its exit; `took` is measured from this call.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> Exit {
        let since = Instant::now();
        let status = poll(deadline, || self.child.try_wait().unwrap());
        let Some(status) = status else {
            panic!("still runs after {deadline:?}: {:#?}", self.family());
        };
        let exit = exit_of(status, since.elapsed());
        until(
            Duration::from_secs(5),
            "the launcher's streams end with it",
            || {
                self.readers
                    .iter()
                    .all(JoinHandle::is_finished)
                    .then_some(())
            },
        );
        exit
    }

    /// Sends TERM; all processes must have ended within the deadline.
    #[track_caller]
    pub(crate) fn stop(&mut self, deadline: Duration) -> Exit {
        self.signal(Signal::SIGTERM);
        let exit = self.wait_exit(deadline);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        self.assert_nothing_left(Duration::from_secs(2));
        exit
    }

    // Its processes.

    /// The launcher and all its processes that are alive.
    pub(crate) fn family(&self) -> BTreeSet<Process> {
        family(self.root.as_ref(), &self.marks)
    }

    /// Children of the launcher, or of their children, by name.
    pub(crate) fn children_named(&self, name: &str) -> Vec<Process> {
        let is = |process: &Process| process.pid != self.pid() && process.name.starts_with(name);
        self.family().into_iter().filter(is).collect()
    }

    /// The launcher is also the parent of workers whose nginx master was killed.
    fn master(&self, name: &str) -> Option<Process> {
        self.children_named(name).into_iter().find(|process| {
            process.parent == self.pid() && !process.command.contains("worker process")
        })
    }

    #[track_caller]
    pub(crate) fn uwsgi_master(&self) -> Process {
        until(READY, "a uWSGI master", || self.master("uwsgi"))
    }

    #[track_caller]
    pub(crate) fn nginx_master(&self) -> Process {
        until(READY, "an nginx master", || self.master("nginx"))
    }

    pub(crate) fn uwsgi_workers(&self) -> Vec<Process> {
        self.workers(&self.uwsgi_master())
    }

    pub(crate) fn nginx_workers(&self) -> Vec<Process> {
        self.workers(&self.nginx_master())
    }

    fn workers(&self, master: &Process) -> Vec<Process> {
        self.family()
            .into_iter()
            .filter(|process| process.parent == master.pid)
            .collect()
    }

    /// Asserts that the run has ended with this code, the last line names the cause, and no process is left.
    #[track_caller]
    pub(crate) fn assert_gave_up(&mut self, deadline: Duration, code: i32, culprit: &str) {
        let exit = self.wait_exit(deadline);
        let last = self.log.last().map(|line| line.text.to_lowercase());
        assert!(
            exit.code == Some(code) && last.is_some_and(|last| last.contains(culprit)),
            "{culprit}: {exit:?}\n{}",
            self.log.tail(30)
        );
        self.assert_nothing_left(Duration::from_secs(2));
    }

    /// Asserts that neither the launcher nor any process that it has started is alive.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self, deadline: Duration) {
        let gone = poll(deadline, || self.family().is_empty().then_some(()));
        assert!(
            gone.is_some(),
            "left after {deadline:?}: {:#?}",
            self.family()
        );
    }

    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The runtime folder as the launcher sees it, which may be on a private file system.
    pub(crate) fn own_runtime(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(self.runtime.strip_prefix("/").unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end_all(self.root.as_ref(), &self.marks);
        // It has been killed above; this only reaps it.
        let _ = self.child.wait();
        if std::thread::panicking() {
            show(&format!(
                "the launcher's last words:\n{}",
                self.log.tail(40)
            ));
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the test harness captures it and shows it with the failure"
)]
fn show(text: &str) {
    eprintln!("{text}");
}
