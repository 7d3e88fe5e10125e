//! What development gives to others: no debugger to a network, nothing of root's to flask.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::port::free_port;
use crate::running::Running;
use crate::service::{PROBE_APP, Service, world_accessible_folder};
use crate::wait::until;

/// Generous: flask imports the application twice, and its reloader checks once a second.
const SOON: Duration = Duration::from_secs(25);

/// What a process may do, and whether it can open its terminal and its output by name.
const RIGHTS: &str = r#"

def opens(path):
    try:
        with open(path, "a") as file:
            file.write(f"opened {path}\n")
    except OSError as error:
        return str(error)
    return "yes"


@app.route("/rights")
def rights():
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file)
    home = os.path.join(os.environ["HOME"], "written")
    with open(home, "w") as file:
        file.write("x")
    names = ["CapInh", "CapPrm", "CapEff", "CapAmb"]
    return {
        "uids": os.getresuid(),
        "gids": os.getresgid(),
        "groups": os.getgroups(),
        "user": os.environ["USER"],
        "home": home,
        "capabilities": [int(status[name], 16) for name in names],
        "shadow": opens("/etc/shadow"),
        "stdout": opens("/dev/stdout"),
        "terminal": opens("/dev/tty"),
    }
"#;

fn service() -> Service {
    let service = Service::empty().main_py(&format!("{PROBE_APP}{RIGHTS}"));
    let folder = service.root().join("src");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    service
}

#[track_caller]
fn require_root() {
    assert!(nix::unistd::geteuid().is_root(), "run the tests as root");
}

fn rights(running: &Running) -> Value {
    running.wait_ok("/rights", SOON).json()
}

/// The page of an exception, and the status of the console.
fn debugger(running: &Running) -> (String, u16) {
    let page = running.get("/boom").unwrap();
    assert_eq!(page.status, 500);
    (page.text(), running.get("/console").unwrap().status)
}

/// The line with `text` has these parts too.
#[track_caller]
fn assert_told(running: &Running, text: &str, parts: &[&str]) {
    let line = running.log.wait_for(text, |line| line.text.contains(text));
    let has_all = parts.iter().all(|part| line.text.contains(part));
    assert!(has_all, "{line:?}");
}

/// A python3 that prints its arguments instead of running them.
fn printing_python() -> TempDir {
    let folder = world_accessible_folder("path-");
    let script = folder.path().join("python3");
    fs::write(&script, "#!/bin/sh\necho \"called $*\"\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn the_debugger_is_there_on_a_loopback_address() {
    let running = Launcher::new(&service()).dev().start();
    running.wait_ok("/", SOON);
    let (page, console) = debugger(&running);
    assert!(page.contains("EVALEX = true"), "{page}");
    assert_eq!(console, 200);
    assert_told(
        &running,
        "flask listens on 127.0.0.1:",
        &["only this machine", "debugger is on"],
    );
}

#[test]
fn a_network_gets_no_debugger_and_the_developer_the_traceback() {
    let service = service();
    let port = free_port();
    let mut running = Launcher::new(&service)
        .command(&["run"])
        .listen(&format!("0.0.0.0:{port}"))
        // By the environment alone flask would turn the debugger on.
        .env("FLASK_DEBUG", "1")
        .env("FLASK_RUN_DEBUGGER", "1")
        .start();
    running.address = SocketAddr::from(([127, 0, 0, 1], port));
    running.wait_ok("/", SOON);
    let (page, console) = debugger(&running);
    for part in ["EVALEX", "SECRET", "Traceback", "asked to fail"] {
        assert!(!page.contains(part), "{page}");
    }
    assert_eq!(console, 404);
    running
        .log
        .wait_for_text("Traceback (most recent call last)");
    running.log.wait_for_text("the probe was asked to fail");
    assert_told(
        &running,
        &format!("listens on 0.0.0.0:{port}"),
        &["any machine", "debugger is off", "--debugger"],
    );
    service.write_version("2");
    until(SOON, "the edit is live", || {
        running
            .get("/version")
            .ok()
            .filter(|answer| answer.text() == "2")
    });
    service.write("src/main.py", "app = = 1\n");
    until(SOON, "the syntax error is told", || {
        running
            .get("/version")
            .ok()
            .filter(|answer| answer.status == 500 && !answer.text().contains("SyntaxError"))
    });
    running.log.wait_for_text("SyntaxError");
}

#[test]
fn the_debugger_can_be_asked_for() {
    let python = printing_python();
    let called = |before: &[&str], after: &[&str]| {
        let command = [&["run", "--dev"], before].concat();
        let output = Launcher::new(&service())
            .command(&command)
            .listen("0.0.0.0:8099")
            .path_before(python.path())
            .after(after)
            .output();
        output.assert_code(0);
        output
    };
    let with = "--port 8099 --without-threads --debugger";
    called(&["--debugger"], &[])
        .assert_says(with)
        .assert_says("any machine")
        .assert_says("can run any code");
    let explicit = "--without-threads --no-debugger --debugger";
    called(&[], &["--", "--debugger"])
        .assert_says(explicit)
        .assert_says("can run any code");
}

#[test]
fn production_has_no_debugger_to_ask_for() {
    let output = Launcher::new(&service()).after(&["--debugger"]).output();
    output.assert_code(2).assert_says("--production");
}

#[test]
fn flask_runs_as_the_workers_user() {
    require_root();
    let service = service();
    let running = Launcher::new(&service)
        .dev()
        // Its folder for compiled modules cannot be written, which must not matter.
        .without_env("PYTHONDONTWRITEBYTECODE")
        .env("HOME", "/root")
        .start();
    let seen = rights(&running);
    assert_eq!(seen["uids"], json!([33, 33, 33]));
    assert_eq!(seen["gids"], json!([33, 33, 33]));
    assert_eq!(seen["groups"], json!([33]));
    assert_eq!(seen["user"], "www-data");
    assert_eq!(seen["capabilities"], json!([0, 0, 0, 0]));
    assert_ne!(seen["shadow"], "yes");
    let home = running.runtime().join("home/written").display().to_string();
    assert_eq!(seen["home"], home);
    // Its output, a pipe, can also be opened by name.
    assert_eq!(seen["stdout"], "yes");
    running.log.wait_for_text("opened /dev/stdout");
    running.log.wait_for_text("as www-data");
    let ours = running.pid();
    let others: Vec<_> = running
        .family()
        .into_iter()
        .filter(|process| process.pid != ours)
        .collect();
    // flask and its reloader's child.
    assert_eq!(others.len(), 2, "{others:?}");
    for process in others {
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
        assert!(status.contains("Uid:\t33\t33\t33\t33"), "{status}");
    }
    assert!(!service.root().join("src/__pycache__").exists());
}

#[test]
fn the_configuration_names_the_user_of_development_too() {
    require_root();
    let config = json!({"use_nginx": false, "nginx_config": {"user": "nobody"}});
    let running = Launcher::new(&service().config(&config))
        .command(&["run"])
        .start();
    assert_eq!(rights(&running)["user"], "nobody");
    let config = json!({"use_nginx": false, "nginx_config": {"user": "no-such-user"}});
    Launcher::new(&service().config(&config))
        .command(&["run"])
        .output()
        .assert_code(78)
        .assert_says("/nginx_config/user")
        .assert_says("\"no-such-user\" does not exist");
}

#[test]
fn a_launcher_that_is_not_root_runs_flask_as_itself() {
    let running = Launcher::new(&service()).dev().for_nobody().start();
    let seen = rights(&running);
    assert_eq!(seen["uids"], json!([65534, 65534, 65534]));
    let home = running.runtime().join("home/written").display().to_string();
    assert_eq!(seen["home"], home);
}

/// The first port that needs no capability.
fn first_unprivileged() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn a_low_port_needs_one_capability() {
    require_root();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (700..1000).find(free).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let _running = Launcher::new(&service())
        .dev()
        .listen(&address.to_string())
        .start();
    let seen = until(SOON, "flask serves", || {
        let request = Request::get("/rights").header("Connection", "close");
        request.send(address).ok().filter(|it| it.status == 200)
    })
    .json();
    assert_eq!(seen["uids"], json!([33, 33, 33]));
    // CAP_NET_BIND_SERVICE
    let bind = u64::from(port < first_unprivileged()) << 10;
    assert_eq!(seen["capabilities"], json!([bind, bind, bind, bind]));
}

#[test]
fn a_low_port_without_the_capability_is_77() {
    require_root();
    // A new network has the kernel's own first port.
    Launcher::new(&service())
        .dev()
        .through(&["unshare", "--net", "setpriv"])
        .through(&["--bounding-set=-net_bind_service", "--inh-caps=-all"])
        .listen("0.0.0.0:80")
        .output()
        .assert_code(77)
        .assert_says("0.0.0.0:80")
        .assert_says("NET_BIND_SERVICE");
}

#[test]
fn the_workers_user_can_open_its_terminal() {
    let service = service();
    let mut running = crate::dev::in_a_terminal(&service).with_input().start();
    let seen = rights(&running);
    assert_eq!(seen["terminal"], "yes");
    running.log.wait_for_text("opened /dev/tty");
    running.signal(Signal::SIGKILL);
    running.wait_exit(SOON);
}

fn closed(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_python_that_the_user_may_not_run_is_left_out() {
    require_root();
    let python = printing_python();
    closed(python.path());
    let running = Launcher::new(&service())
        .dev()
        .path_before(python.path())
        .start();
    running.wait_ok("/", SOON);
    let folder = python.path().display().to_string();
    assert_told(
        &running,
        "is left out",
        &[&folder, "mode 0700", "/usr/bin/python3"],
    );
}

#[test]
fn a_service_that_the_user_may_not_read_is_told_with_what_to_do() {
    require_root();
    let service = service();
    closed(service.root());
    let output = Launcher::new(&service)
        .dev()
        .after(&["--", "--no-reload"])
        .output();
    assert_ne!(output.exit.code, Some(0));
    let chmod = format!("chmod o+x {}", service.root().display());
    output.assert_says(&chmod).assert_says("--user $(id -u)");
}
