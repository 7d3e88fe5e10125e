//! Connections and threads that an application opens at import are reported, because its workers cannot share them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::launcher::Launcher;
use crate::log::Line;
use crate::service::Service;
use crate::wait::until;

fn is_warning(line: &Line) -> bool {
    line.is_from("launcher") && line.str("level").to_lowercase().starts_with("warn")
}

#[test]
fn a_connection_from_the_import_is_reported() {
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = database.local_addr().unwrap();
    let connect = format!(
        "import socket\nDATABASE = socket.create_connection(('127.0.0.1', {}))\n",
        address.port()
    );
    let running = Launcher::new(&Service::with_slots(2).with_prelude(&connect)).start_ready();
    let line = running
        .log
        .wait_for("a warning that names the connection", |line| {
            is_warning(line) && line.text.contains(&address.to_string())
        });
    // What to use instead.
    assert!(
        line.text.contains("lazy-apps") || line.text.contains("fork"),
        "{line:?}"
    );
}

#[test]
fn a_connection_to_a_unix_socket_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".s.PGSQL.5432");
    let database = UnixListener::bind(&path).unwrap();
    // The kernel reports the name of a peer only after the connection was accepted.
    let accepted = thread::spawn(move || database.accept().unwrap());
    // The import runs as the workers' user.
    for (path, mode) in [(folder.path(), 0o755), (&path, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let connect = format!(
        "import socket\nDATABASE = socket.socket(socket.AF_UNIX)\nDATABASE.connect({:?})\n",
        path.display().to_string()
    );
    let running = Launcher::new(&Service::with_slots(2).with_prelude(&connect)).start_ready();
    running
        .log
        .wait_for("a warning that names the socket", |line| {
            is_warning(line) && line.text.contains(".s.PGSQL.5432")
        });
    drop(accepted.join().unwrap());
}

#[test]
fn a_thread_from_the_import_is_reported() {
    let thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,), name='the-scheduler', daemon=True).start()\n";
    let running = Launcher::new(&Service::with_slots(2).with_prelude(thread)).start_ready();
    let line = running.log.wait_for("a warning about threads", |line| {
        is_warning(line) && line.text.contains("the-scheduler")
    });
    // The one key that cures it.
    assert!(line.text.contains("lazy-apps"), "{line:?}");
    let shown = running.status()["warnings"].to_string();
    assert!(shown.contains("the-scheduler"), "{shown}");
    // A worker that comes later does not say it again.
    running.uwsgi_workers().remove(0).signal(Signal::SIGKILL);
    running.wait_ok("/", Duration::from_secs(5));
    assert_eq!(running.log.count("the-scheduler"), 1);
}

#[test]
fn a_clean_application_gets_no_warning() {
    assert_no_warning(&Service::with_slots(2));
}

#[track_caller]
fn assert_no_warning(service: &Service) {
    let mut running = Launcher::new(service).start_ready();
    running.get_ok("/");
    running.stop(Duration::from_secs(15));
    let warnings = running.log.filter(is_warning);
    assert!(warnings.is_empty(), "{warnings:#?}");
}

#[test]
fn a_thread_that_is_started_again_in_the_workers_gets_no_warning() {
    // As OpenTelemetry's exporters do it.
    let thread = "
import os, threading, time
def start():
    threading.Thread(target=time.sleep, args=(3600,), name='exporter', daemon=True).start()
start()
os.register_at_fork(after_in_child=start)
";
    assert_no_warning(&Service::with_slots(2).with_prelude(thread));
}

#[test]
fn a_thread_of_uwsgi_gets_no_warning() {
    assert_no_warning(&Service::new().config(&json!({
        "use_nginx": true,
        "nginx_config": {"wsgi_worker_threads_count": 2},
        "uwsgi_config": {"cache2": "name=things,items=100"},
    })));
}

#[test]
fn both_halves_of_fork_functions_run() {
    // A lock that the parent's half takes is released on both sides, as in loguru.
    let hooks = "
import os, threading
lock = threading.Lock()
os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
";
    let options = [json!({}), json!({"mules": 1})];
    for options in options {
        let service = Service::new().with_prelude(hooks).config(&json!({
            "use_nginx": true,
            "nginx_config": {"wsgi_worker_threads_count": 2},
            "uwsgi_config": options,
        }));
        let mut running = Launcher::new(&service).start_ready();
        // A fork long after the start, and forks of the application.
        let worker = running.uwsgi_workers().remove(0);
        worker.signal(Signal::SIGKILL);
        worker.wait_gone(Duration::from_secs(5));
        until(Duration::from_secs(5), "a new worker", || {
            (running.uwsgi_workers().len() == if options == json!({}) { 2 } else { 3 })
                .then_some(())
        });
        running.get_ok("/");
        running.stop(Duration::from_secs(15));
        let told = running.log.filter(|line| {
            line.text.contains("RuntimeError") || line.text.contains("Segmentation")
        });
        assert!(told.is_empty(), "{told:#?}");
    }
}

#[test]
fn a_reload_that_the_application_asks_for_is_the_launchers() {
    let route = "
@app.route('/ask/<what>')
def ask(what):
    import uwsgi
    getattr(uwsgi, what)()
    return what
";
    let service = Service::with_slots(2);
    let main = fs::read_to_string(service.root().join("src/main.py")).unwrap();
    let service = service.main_py(&format!("{main}{route}"));
    let mut running = Launcher::new(&service).start_ready();
    running.get_ok("/ask/reload");
    until(Duration::from_secs(15), "generation 2", || {
        (running.status()["generation"] == 2).then_some(())
    });
    running.wait_ok("/ask/stop", Duration::from_secs(5));
    let exit = running.wait_exit(Duration::from_secs(15));
    assert_eq!(exit.code, Some(0), "{exit:?}");
}
