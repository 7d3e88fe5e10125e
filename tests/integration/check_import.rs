//! `check --import`: the application is imported as in production, and what it leaves open is told beforehand.

use std::net::TcpListener;
use std::time::Duration;

use nix::unistd::geteuid;
use serde_json::json;

use crate::launcher::Launcher;
use crate::output::Output;
use crate::service::Service;

fn check(service: &Service) -> Output {
    Launcher::new(service)
        .command(&["check", "--import"])
        .output()
}

#[test]
fn a_good_application_gets_the_plan_and_no_warning() {
    let service = Service::new().with_prelude("print('noise of the import')");
    let output = check(&service);
    output.assert_code(0).assert_says("requests");
    for part in ["warning", "noise of the import", "Starting uWSGI"] {
        assert!(!output.text().contains(part), "{}", output.text());
    }
}

#[test]
fn it_is_imported_as_in_production() {
    let prelude = "
import os, sys, uwsgi, subprocess
assert __name__ == 'main', __name__
assert subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout == '42\\n'
print('runs as', os.getuid(), 'in', os.getcwd(), file=sys.stderr)
raise RuntimeError('to see it')
";
    let service = Service::new().with_prelude(prelude);
    let output = check(&service);
    output
        .assert_code(22)
        .assert_says("RuntimeError: to see it")
        .assert_says("src/main.py\", line");
    let uid = if geteuid().is_root() {
        33
    } else {
        geteuid().as_raw()
    };
    let folder = service.root().join("src");
    output.assert_says(&format!("runs as {uid} in {}", folder.display()));
}

#[test]
fn what_the_import_leaves_open_is_told() {
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = database.local_addr().unwrap();
    let prelude = format!(
        "import os, socket, threading, time\n\
         S = socket.create_connection(('127.0.0.1', {}))\n\
         threading.Thread(target=time.sleep, args=(600,), name='the-scheduler', daemon=True).start()\n\
         def again():\n    threading.Thread(target=time.sleep, args=(600,), name='an-exporter', daemon=True).start()\n\
         again()\n\
         os.register_at_fork(after_in_child=again)\n",
        address.port()
    );
    let output = check(&Service::new().with_prelude(&prelude));
    output
        .assert_code(0)
        .assert_says(&address.to_string())
        .assert_says("the-scheduler")
        .assert_says("lazy-apps");
    assert!(!output.text().contains("an-exporter"), "{}", output.text());
}

#[test]
fn an_import_that_cannot_be_finished_is_told() {
    for (prelude, code, said) in [
        ("import nothing_of_this_name", 22, "No module named"),
        (
            "open('/not-here', 'w')",
            22,
            "Permission denied: '/not-here'",
        ),
        ("import os\nos._exit(0)", 22, "exit code 0"),
        ("import sys\nsys.exit(0)", 22, "sys.exit()"),
        ("import os\nos.kill(os.getpid(), 9)", 22, "signal 9"),
    ] {
        let output = check(&Service::new().with_prelude(prelude));
        output.assert_code(code).assert_says(said);
    }
}

#[test]
fn an_import_that_hangs_ends_at_the_time_of_a_start() {
    let service = Service::new()
        .with_prelude("import time\ntime.sleep(600)")
        .nginx_config(&json!({"start_timeout": 1}));
    let output = check(&service);
    output.assert_code(22).assert_says("start_timeout");
    assert!(output.exit.took < Duration::from_secs(10));
}
