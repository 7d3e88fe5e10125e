//! Connections and threads that an application opens at import are reported, because its workers cannot share them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::thread;

use crate::launcher::Launcher;
use crate::log::Line;
use crate::service::Service;

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
    let thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n";
    let running = Launcher::new(&Service::with_slots(2).with_prelude(thread)).start_ready();
    running.log.wait_for("a warning about threads", |line| {
        is_warning(line) && line.text.contains("thread")
    });
}

#[test]
fn a_clean_application_gets_no_warning() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    running.get_ok("/");
    running.stop(std::time::Duration::from_secs(15));
    let warnings = running.log.filter(is_warning);
    assert!(warnings.is_empty(), "{warnings:#?}");
}
