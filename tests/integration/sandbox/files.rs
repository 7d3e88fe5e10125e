//! What is written where, by the application and by what it starts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{denied, open_folder, run, service, writes};
use crate::launcher::Launcher;
use crate::startup::SECONDS;

#[test]
fn the_application_writes_only_what_is_its_own() {
    let closed = open_folder();
    fs::write(closed.path().join("file"), "kept").unwrap();
    fs::set_permissions(
        closed.path().join("file"),
        fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    let service = service(&json!({}));
    let running = Launcher::new(&service).start_ready();
    let path = closed.path().display();
    assert_eq!(writes(&running, closed.path()), denied());
    for code in [
        format!("result = outcome(lambda: open('{path}/file', 'r+').close())"),
        format!("result = outcome(lambda: os.remove('{path}/file'))"),
        format!("result = outcome(lambda: os.mkdir('{path}/folder'))"),
        format!("result = outcome(lambda: os.symlink('/etc', '{path}/link'))"),
        format!("result = outcome(lambda: os.truncate('{path}/file', 0))"),
    ] {
        assert_eq!(run(&running, &code), denied(), "{code}");
    }
    assert_eq!(
        run(&running, &format!("result = open('{path}/file').read()")),
        "kept"
    );
    for folder in ["/tmp", "/var/tmp", "/dev/shm"] {
        let code = format!("import tempfile; tempfile.TemporaryFile(dir='{folder}').write(b'x')");
        assert_eq!(run(&running, &code), Value::Null);
    }
    assert_eq!(writes(&running, &service.root().join("state")), Value::Null);
    let code =
        "result = [write(os.path.expanduser('~/x')), write('/dev/null'), write('/proc/self/comm')]";
    assert_eq!(run(&running, code), json!([null, null, null]));
}

#[test]
fn what_the_application_starts_is_confined_too() {
    let closed = open_folder();
    let path = closed.path().join("x").display().to_string();
    let running = Launcher::new(&service(&json!({}))).start_ready();
    let shell = format!(
        "import subprocess\nresult = subprocess.run(['sh', '-c', 'echo x > {path}'], capture_output=True, text=True).stderr"
    );
    let stderr = run(&running, &shell);
    assert!(stderr.to_string().contains("Permission denied"), "{stderr}");
    let thread = format!(
        "import threading\nfound = []\nthread = threading.Thread(target=lambda: found.append(write('{path}')))\n\
         thread.start()\nthread.join()\nresult = found[0]"
    );
    assert_eq!(run(&running, &thread), denied());
    let process = format!(
        "import concurrent.futures\nwith concurrent.futures.ProcessPoolExecutor(1) as pool:\n    \
         result = pool.submit(os.system, 'echo x > {path} 2>/dev/null').result() != 0"
    );
    assert_eq!(run(&running, &process), json!(true));
    assert!(!Path::new(&path).exists());
}

#[test]
fn what_services_use_works() {
    let running = Launcher::new(&service(&json!({}))).start_ready();
    for (what, code) in [
        (
            "SQLite in the service folder",
            "import sqlite3\nc = sqlite3.connect('../state/x.db')\nc.execute('PRAGMA journal_mode=WAL')\n\
             c.execute('CREATE TABLE t (x)')\nc.execute('INSERT INTO t VALUES (1)')\nc.commit()\n\
             result = c.execute('SELECT count(*) FROM t').fetchone()[0]",
        ),
        (
            "a socket in /tmp",
            "import socket, tempfile\nfolder = tempfile.mkdtemp()\ns = socket.socket(socket.AF_UNIX)\n\
             s.bind(folder + '/s')\ns.listen()\nc = socket.socket(socket.AF_UNIX)\nc.connect(folder + '/s')\nresult = 1",
        ),
        (
            "multiprocessing with semaphores and shared memory",
            "import multiprocessing, multiprocessing.shared_memory as m\nlock = multiprocessing.Lock()\n\
             with lock:\n    block = m.SharedMemory(create=True, size=100)\nblock.close()\nblock.unlink()\nresult = 1",
        ),
        (
            "moving between folders",
            "import tempfile\nfolder = tempfile.mkdtemp()\nos.mkdir(folder + '/a')\nopen(folder + '/x', 'w').close()\n\
             os.replace(folder + '/x', folder + '/a/x')\nos.link(folder + '/a/x', folder + '/y')\nresult = 1",
        ),
        (
            "programs, pipes and terminals",
            "import pty, subprocess\nmaster, slave = pty.openpty()\nos.write(slave, b'x')\n\
             result = int(subprocess.check_output('echo 1 | cat', shell=True))",
        ),
        (
            "an event loop",
            "import asyncio\nresult = asyncio.run(asyncio.sleep(0, 1))",
        ),
    ] {
        assert_eq!(run(&running, code), json!(1), "{what}");
    }
}

#[test]
fn a_reload_takes_over_what_is_writable() {
    let named = open_folder();
    let config = |section: Value| json!({"use_nginx": true, "nginx_config": section}).to_string();
    let service = service(&json!({}));
    let running = Launcher::new(&service).start_ready();
    let nginx = running.nginx_master();
    assert_eq!(writes(&running, named.path()), denied());
    let reload = |section| {
        service.write("config/config.json", &config(section));
        running.run_command(&["reload"]).assert_code(0);
    };
    let both = json!({"writable": [named.path(), "/nonexistent"]});
    reload(both);
    assert_eq!(writes(&running, named.path()), Value::Null);
    assert_ne!(running.nginx_master(), nginx, "nginx has its old rules");
    running.log.wait_for_text("/nonexistent does not exist");
    reload(json!({"landlock": false}));
    let elsewhere = open_folder();
    assert_eq!(writes(&running, elsewhere.path()), Value::Null);
    let status = running.status();
    assert_eq!(
        status["sandbox"]["landlock"],
        "off: nginx_config.landlock is false"
    );
    reload(json!({}));
    assert_eq!(writes(&running, named.path()), denied());
}

#[test]
fn a_mounted_volume_is_writable_without_a_key() {
    let volume = open_folder();
    let closed = open_folder();
    let path = volume.path().to_str().unwrap();
    let running = Launcher::new(&service(&json!({})))
        .through(&[
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            "mount -t tmpfs -o mode=1777 volume \"$0\" && exec \"$@\"",
            path,
        ])
        .start_ready();
    assert_eq!(writes(&running, volume.path()), Value::Null);
    assert_eq!(writes(&running, closed.path()), denied());
}

#[test]
fn nothing_is_confined_in_development() {
    let closed = open_folder();
    let running = Launcher::new(&service(&json!({}))).dev().start();
    running.wait_ok("/", SECONDS);
    assert_eq!(writes(&running, closed.path()), Value::Null);
}
