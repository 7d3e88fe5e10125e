//! Tries the files of a case with the real nginx and uWSGI, in a temporary folder.
//!
//! The plan is that of the golden files with its folders moved: the names of the service and the runtime folder keep
//! their special characters.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv6Addr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use microservice_flask::internals::host::SandboxHost;
use microservice_flask::internals::host::programs::{self, Asking, Python};
use microservice_flask::internals::plan::Plan;
use microservice_flask::internals::plan::layout::Layout;
use microservice_flask::internals::render;
use microservice_flask::internals::sys::runtime::block_on;
use microservice_flask::internals::sys::short_programs::ShortPrograms;

use crate::case::Case;

/// Far longer than a start takes on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Warnings of nginx about a valid file: the first if the tests do not run as root, the second for a trusted network of
/// all addresses, which duplicates the default of `geo`.
const EXPECTED_WARNINGS: [&str; 2] = ["\"user\" directive makes sense only", "duplicate network"];

/// A rendered case.
pub(crate) struct Trial {
    /// The plan with its folders moved.
    pub(crate) plan: Plan,
    case: String,
    _folder: tempfile::TempDir,
}

/// The parent of the temporary folders.
pub(crate) fn temporary_root() -> PathBuf {
    std::env::temp_dir()
}

fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/usr/bin");
    path
}

fn asking<'a>(
    path: &'a OsStr,
    sandbox: &'a SandboxHost,
    programs: &'a ShortPrograms,
) -> Asking<'a> {
    Asking {
        path,
        env: &[],
        application: None,
        nginx: None,
        sandbox,
        programs,
    }
}

impl Trial {
    /// Moves the plan of a case into a temporary folder and writes its files as the launcher does.
    pub(crate) fn new(case: &Case) -> Self {
        let host = case.host.as_ref().unwrap();
        let (config, mut findings) = case.load();
        let mut plan = case.plan(&config, host, &mut findings);
        let folder = tempfile::Builder::new().prefix("t").tempdir().unwrap();
        let root = folder.path().join(plan.root.file_name().unwrap());
        let moved = |path: &Path| root.join(path.strip_prefix(&plan.root).unwrap());
        let statics: Vec<PathBuf> = plan.statics.iter().map(|s| moved(&s.folder)).collect();
        let server: Vec<PathBuf> = plan
            .server_snippets
            .iter()
            .map(|path| moved(path))
            .collect();
        let http: Vec<PathBuf> = plan.http_snippets.iter().map(|path| moved(path)).collect();
        for (mapping, folder) in plan.statics.iter_mut().zip(statics) {
            std::fs::create_dir_all(&folder).unwrap();
            mapping.folder = folder;
        }
        for (index, file) in server.iter().enumerate() {
            write(
                file,
                &format!("location = /snippet-{index} {{ return 204; }}\n"),
            );
        }
        for (index, file) in http.iter().enumerate() {
            write(
                file,
                &format!("map $uri $snippet_{index} {{ default {index}; }}\n"),
            );
        }
        plan.server_snippets = server;
        plan.http_snippets = http;
        plan.layout = Layout {
            canary: false,
            // Contains the special characters of the service's name, because --runtime-dir may too.
            runtime: folder
                .path()
                .join(format!("run{}", special_characters(&plan.root))),
            generation: 1,
        };
        plan.root = root;
        // The case names programs of another host; these are the installed ones.
        plan.venv = None;
        plan.user = plan.user.filter(|_| !nix::unistd::geteuid().is_root());
        plan.uwsgi = block_on(programs::uwsgi(
            asking(&path(), &SandboxHost::default(), &ShortPrograms::alone()),
            None,
        ))
        .unwrap();
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
            plan.listen.retain(std::net::SocketAddr::is_ipv4);
        }
        // nginx -t binds the addresses; these ports need no privilege.
        for address in &mut plan.listen {
            if address.port() < 1024 {
                address.set_port(address.port() + 8000);
            }
        }
        for file in render::render(&plan).unwrap() {
            write(&plan.layout.folder().join(&file.path), &file.text);
        }
        for folder in [plan.layout.nginx_temp(), plan.layout.nginx_run()] {
            std::fs::create_dir_all(folder).unwrap();
        }
        Self {
            plan,
            case: case.name(),
            _folder: folder,
        }
    }

    fn nginx(&self, mode: &str) -> Output {
        let file = programs::find("nginx", &path()).expect("nginx is installed by scripts/test");
        let nginx = block_on(programs::nginx(
            file,
            asking(&path(), &SandboxHost::default(), &ShortPrograms::alone()),
        ))
        .unwrap()
        .expect("it tells its version");
        Command::new(nginx.path)
            .args([mode, "-q", "-e", "stderr", "-p"])
            .arg(self.plan.layout.nginx())
            .arg("-c")
            .arg(self.plan.layout.nginx_conf())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// `nginx -t`, as the launcher calls it.
    pub(crate) fn nginx_accepts_it(&self) {
        let output = self.nginx("-t");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{}: nginx prints:\n{stderr}",
            self.case
        );
        let other = stderr.lines().find(|line| {
            line.contains("[warn]") && !EXPECTED_WARNINGS.iter().any(|known| line.contains(known))
        });
        assert_eq!(other, None, "{}: nginx warns", self.case);
    }

    /// Checks nginx's dump of the files it has read, because an include that matches nothing is no error to nginx.
    pub(crate) fn nginx_includes_every_snippet(&self) {
        let dump = self.nginx("-T").stdout;
        let dump = String::from_utf8_lossy(&dump);
        for file in self
            .plan
            .http_snippets
            .iter()
            .chain(&self.plan.server_snippets)
        {
            let line = format!("# configuration file {}:", file.display());
            assert!(
                dump.contains(&line),
                "{}: not included: {}",
                self.case,
                file.display()
            );
        }
        for name in ["mime.types", "proxy.conf"] {
            let line = format!(
                "# configuration file {}:",
                self.plan.layout.nginx().join(name).display()
            );
            assert!(dump.contains(&line), "{}: not included: {name}", self.case);
        }
    }

    /// uWSGI reads the file, imports the application from `src`, opens its sockets and its fifo, and ends on TERM.
    pub(crate) fn uwsgi_imports_and_stops(&self) {
        let source = self.plan.root.join("src");
        write(
            &source.join("main.py"),
            "import os, sys\n\
             def app(environ, start_response):\n    start_response('204 No Content', [])\n    return []\n\
             assert 'MICROSERVICE_APP_SOCKET_FD' not in os.environ\n\
             assert 'MICROSERVICE_LOG_NONCE' not in os.environ\n\
             print('imported', flush=True)\n\
             print('heard', file=sys.stderr, flush=True)\n",
        );
        let uwsgi = self
            .plan
            .uwsgi
            .as_ref()
            .expect("uWSGI is installed by scripts/test");
        assert_ne!(
            uwsgi.python,
            Python::Missing,
            "uwsgi-plugin-python3 is installed by scripts/test"
        );
        let socket = UnixListener::bind(self.plan.layout.app_socket()).unwrap();
        // The shell gives the descriptors their numbers: 3 is the application's socket, 4 its stderr.
        let mut child = Command::new("/bin/sh")
            .args(["-c", "exec 3<&0 0</dev/null 4>&1; exec \"$@\"", "sh"])
            .arg(&uwsgi.path)
            .arg("--ini")
            .arg(self.plan.layout.uwsgi_ini())
            .env("MICROSERVICE_APP_SOCKET_FD", "3")
            .env("MICROSERVICE_APP_STDERR_FD", "4")
            .env("MICROSERVICE_LOG_NONCE", "0123456789abcdef")
            .current_dir(&source)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(Running)
            .unwrap();
        let lines = read_lines(&mut child.0);
        let mut seen = Vec::new();
        let deadline = Instant::now() + TIMEOUT;
        let expected = |line: &String| line.contains("imported") || line.contains("heard");
        while seen.iter().filter(|line| expected(line)).count() < 2 {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => seen.push(line),
                Err(error) => panic!("{}: {error}; uWSGI prints:\n{}", self.case, seen.join("\n")),
            }
        }
        let stats = self.plan.layout.uwsgi_stats();
        // A worker loses a TERM that it receives while it starts, and the master would wait for it for ever.
        until(deadline, &self.case, "the workers", || {
            workers_that_accept(&stats) == self.plan.processes as usize
        });
        let fifo = self.plan.layout.uwsgi_fifo();
        let is_fifo = || std::fs::metadata(&fifo).is_ok_and(|meta| meta.file_type().is_fifo());
        until(deadline, &self.case, "the fifo", is_fifo);
        let pid = nix::unistd::Pid::from_raw(child.0.id().cast_signed());
        until(deadline, &self.case, "the end", || {
            // It may have ended between two polls.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            child.0.try_wait().unwrap().is_some()
        });
    }
}

/// All characters of the folder's name except letters, digits and dashes.
fn special_characters(root: &Path) -> String {
    let name = root.file_name().unwrap().to_string_lossy().into_owned();
    name.chars()
        .filter(|c| !c.is_alphanumeric() && *c != '-')
        .collect()
}

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

/// Number of accepting workers, from uWSGI's stats socket.
fn workers_that_accept(stats: &Path) -> usize {
    let mut text = String::new();
    let Ok(mut stream) = UnixStream::connect(stats) else {
        return 0;
    };
    // A truncated response only counts fewer workers; the caller polls again.
    let _ = stream.read_to_string(&mut text);
    text.matches("\"accepting\":1").count()
}

/// A child that is killed at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, and must still be reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of stdout and stderr, as they arrive.
fn read_lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let streams: [Box<dyn std::io::Read + Send>; 2] = [
        Box::new(child.stdout.take().unwrap()),
        Box::new(child.stderr.take().unwrap()),
    ];
    for stream in streams {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}

/// Polls until the condition holds.
fn until(deadline: Instant, case: &str, what: &str, mut condition: impl FnMut() -> bool) {
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "{case}: timed out waiting for {what}"
        );
        // The interval between two polls.
        std::thread::sleep(Duration::from_millis(50));
    }
}
