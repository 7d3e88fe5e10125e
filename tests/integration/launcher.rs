//! Builds a command line for the real launcher and runs it in an isolated environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::family::{Marks, Process, end_all};
use crate::log::{Log, Stream};
use crate::output::Output;
use crate::port::free_port;
use crate::running::{Running, exit_of};
use crate::runtime_folder::Runtime;
use crate::service::{Service, world_accessible_folder};
use crate::wait::until;

/// Debian's own folders: another Python further ahead would have no Flask.
pub(crate) const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// For commands other than `run`.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// Builder of a command line.
pub(crate) struct Launcher {
    wrapper: Vec<String>,
    command: Vec<String>,
    after: Vec<String>,
    app: Option<PathBuf>,
    pub(super) service: Option<Arc<TempDir>>,
    port: u16,
    listen: Vec<String>,
    admin: Option<SocketAddr>,
    log_format: &'static str,
    pub(super) runtime: Runtime,
    environment: BTreeMap<String, String>,
    pub(super) is_nobody: bool,
    input: bool,
    stdout: Option<OwnedFd>,
    options: bool,
}

impl Launcher {
    /// `run --production` of a service, on free ports, with JSON logs.
    pub(crate) fn new(service: &Service) -> Self {
        let mut launcher = Self::for_folder(service.root());
        launcher.service = Some(service.hold());
        launcher
    }

    /// Like `new`, for a folder that may not exist.
    pub(crate) fn for_folder(app: &Path) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let mark = format!(
            "{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, Ordering::Relaxed)
        );
        let environment = [
            ("PATH", SYSTEM_PATH),
            ("HOME", "/nonexistent"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("LAUNCHER_TEST_MARK", &mark),
        ];
        let port = free_port();
        Self {
            wrapper: Vec::new(),
            command: vec!["run".to_owned(), "--production".to_owned()],
            after: Vec::new(),
            app: Some(app.to_owned()),
            service: None,
            port,
            listen: vec![format!("127.0.0.1:{port}")],
            admin: Some(SocketAddr::from(([127, 0, 0, 1], free_port()))),
            log_format: "json",
            runtime: Runtime::Own(world_accessible_folder("runtime-")),
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            is_nobody: false,
            input: false,
            stdout: None,
            options: true,
        }
    }

    /// `run --dev`.
    pub(crate) fn dev(self) -> Self {
        self.command(&["run", "--dev"])
    }

    /// Another command.
    pub(crate) fn command(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Arguments after all options.
    pub(crate) fn after(mut self, words: &[&str]) -> Self {
        self.after
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Runs the launcher by way of another program, such as `setpriv`.
    pub(crate) fn through(mut self, words: &[&str]) -> Self {
        self.wrapper
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// With a pipe as stdin that the test can write to.
    pub(crate) fn with_input(mut self) -> Self {
        self.input = true;
        self
    }

    /// With this stdout, which the test itself reads.
    pub(crate) fn stdout(mut self, stdout: impl Into<OwnedFd>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Without `--app`.
    pub(crate) fn without_app(mut self) -> Self {
        self.app = None;
        self
    }

    /// Without any option: everything comes from the environment.
    pub(crate) fn without_options(mut self) -> Self {
        self.options = false;
        self.without_app()
    }

    pub(crate) fn listen(mut self, address: &str) -> Self {
        self.listen = vec![address.to_owned()];
        self
    }

    pub(crate) fn admin(mut self, address: Option<SocketAddr>) -> Self {
        self.admin = address;
        self
    }

    pub(crate) fn text_log(mut self) -> Self {
        self.log_format = "text";
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Puts this folder first in PATH.
    pub(crate) fn path_before(self, folder: &Path) -> Self {
        let path = format!("{}:{SYSTEM_PATH}", folder.display());
        self.env("PATH", path)
    }

    /// Uses the runtime folder of a running launcher.
    pub(crate) fn runtime_dir(mut self, folder: &Path) -> Self {
        self.runtime = Runtime::Shared(folder.to_owned());
        self
    }

    fn build(&self) -> Command {
        let program = self.runtime.program(self.is_nobody);
        let mut words: Vec<OsString> = self.wrapper.iter().map(OsString::from).collect();
        words.push(program.into());
        words.extend(self.command.iter().map(OsString::from));
        let mut option = |name: &str, value: OsString| words.extend([OsString::from(name), value]);
        if let Some(app) = &self.app {
            option("--app", app.into());
        }
        if self.options {
            option("--runtime-dir", self.runtime.path().into());
            option("--log-format", self.log_format.into());
            option(
                "--admin",
                self.admin
                    .map_or("off".to_owned(), |admin| admin.to_string())
                    .into(),
            );
            for address in &self.listen {
                option("--listen", address.into());
            }
        }
        words.extend(self.after.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .envs(&self.environment);
        command
            .stdin(if self.input {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(match &self.stdout {
                Some(given) => given.try_clone().unwrap().into(),
                None => Stdio::piped(),
            })
            .stderr(Stdio::piped());
        command
    }

    fn marks(&self) -> Marks {
        let mark = self
            .environment
            .get("LAUNCHER_TEST_MARK")
            .cloned()
            .unwrap_or_default();
        let mut folders: Vec<_> = self.app.clone().into_iter().collect();
        if matches!(self.runtime, Runtime::Own(_)) {
            folders.push(self.runtime.path());
        }
        let ports = [Some(self.port), self.admin.map(|admin| admin.port())];
        Marks {
            environment: format!("LAUNCHER_TEST_MARK={mark}"),
            folders,
            ports: ports.into_iter().flatten().collect(),
        }
    }

    /// Starts the launcher without waiting for it.
    pub(crate) fn start(self) -> Running {
        let mut child = self.build().spawn().unwrap();
        let log = Log::default();
        let mut readers = vec![log.collect(Stream::Stderr, child.stderr.take().unwrap())];
        if let Some(stdout) = child.stdout.take() {
            readers.push(log.collect(Stream::Stdout, stdout));
        }
        let marks = self.marks();
        let runtime = self.runtime.path();
        let folder = match self.runtime {
            Runtime::Own(folder) => Some(folder),
            Runtime::Shared(_) => None,
        };
        Running {
            root: Process::read(i32::try_from(child.id()).unwrap()),
            child,
            log,
            readers,
            address: SocketAddr::from(([127, 0, 0, 1], self.port)),
            admin: self.admin,
            app: self.app.unwrap_or_default(),
            runtime,
            _folders: (folder, self.service),
            marks,
            environment: self.environment,
        }
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn start_ready(self) -> Running {
        let mut running = self.start();
        running.wait_ready();
        running
    }

    /// Runs a command that ends by itself.
    #[track_caller]
    pub(crate) fn output(self) -> Output {
        let started = Instant::now();
        let mut child = self.build().spawn().unwrap();
        let log = Log::default();
        let readers = [
            log.collect(Stream::Stdout, child.stdout.take().unwrap()),
            log.collect(Stream::Stderr, child.stderr.take().unwrap()),
        ];
        let end = started + COMMAND_DEADLINE;
        let status = until(
            COMMAND_DEADLINE + Duration::from_secs(5),
            "the command ends",
            || {
                if Instant::now() > end {
                    child.kill().unwrap();
                }
                child.try_wait().unwrap()
            },
        );
        let took = started.elapsed();
        until(Duration::from_secs(10), "the command's output ends", || {
            readers
                .iter()
                .all(std::thread::JoinHandle::is_finished)
                .then_some(())
        });
        if matches!(self.runtime, Runtime::Own(_)) {
            end_all(None, &self.marks());
        }
        assert!(
            took < COMMAND_DEADLINE,
            "{:?} did not end in {took:?}:\n{}",
            self.command,
            log.tail(40)
        );
        Output {
            exit: exit_of(status, took),
            log,
        }
    }
}
