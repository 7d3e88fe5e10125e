//! Processes that the application starts when it is imported: they live as long as its generation, in peace.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::family::Process;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const SOON: Duration = Duration::from_secs(5);

/// The probe after an import that runs these lines, with three workers that are recycled all the time.
fn service(lines: &str, options: &Value) -> Service {
    let prelude = format!(
        "import json, multiprocessing, os, signal, subprocess, sys, time\n\
         NOTES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'state')\n\
         def tell(value):\n    with open(os.path.join(NOTES, 'told'), 'w') as file:\n        json.dump(value, file)\n\
         {lines}\n"
    );
    Service::new().with_prelude(&prelude).config(&json!({
        "use_nginx": true,
        "nginx_config": {"wsgi_worker_threads_count": 3},
        "uwsgi_config": options,
    }))
}

fn told(service: &Service) -> Value {
    let text = fs::read(service.root().join("state/told")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn process(service: &Service) -> Process {
    Process::read(i32::try_from(told(service).as_i64().unwrap()).unwrap()).unwrap()
}

#[track_caller]
fn assert_stops_quietly(running: &mut Running) {
    running.stop(Duration::from_secs(10));
    let alarms = running
        .log
        .filter(|line| matches!(line.str("level"), "error" | "warn"));
    assert!(alarms.is_empty(), "{alarms:#?}");
}

#[test]
fn a_program_obeys_signals() {
    let lines = "
p = subprocess.Popen(['sleep', '600'])
p.terminate()
q = subprocess.Popen(['sleep', '600'])
q.send_signal(signal.SIGHUP)
tell([p.wait(5), q.wait(5), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL])
";
    let service = service(lines, &json!({}));
    let mut running = Launcher::new(&service).start_ready();
    assert_eq!(told(&service), json!([-15, -1, true]));
    assert_stops_quietly(&mut running);
}

#[test]
fn it_outlives_the_workers_and_ends_with_its_generation() {
    let forked = "
p = multiprocessing.Process(target=time.sleep, args=(600,), daemon=True)
p.start()
tell(p.pid)
";
    let program = "tell(subprocess.Popen(['sleep', '600']).pid)";
    for lines in [forked, program] {
        let options = json!({"max-requests": 2, "min-worker-lifetime": 0});
        let service = service(lines, &options);
        let mut running = Launcher::new(&service).start_ready();
        let first = process(&service);
        for _ in 0..12 {
            running.get_ok("/pid");
        }
        assert!(first.is_alive(), "a worker that left has ended it");
        assert_eq!(running.run_command(&["reload"]).exit.code, Some(0));
        first.wait_gone(SOON);
        let second = process(&service);
        assert_ne!(first.pid, second.pid);
        assert!(second.is_alive());
        until(SOON, "the word about it", || {
            running
                .log
                .contains("the import of the old generation")
                .then_some(())
        });
        assert_stops_quietly(&mut running);
        assert!(!second.is_alive());
    }
}

#[test]
fn a_forked_process_that_exits_is_not_the_service() {
    let lines = "
if os.fork() == 0:
    sys.exit(0)
os.wait()
";
    let mut running = Launcher::new(&service(lines, &json!({}))).start_ready();
    running.get_ok("/pid");
    assert_stops_quietly(&mut running);
}

#[test]
fn check_leaves_nothing_of_it_behind() {
    let service = service(
        "tell(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)",
        &json!({}),
    );
    let output = Launcher::new(&service)
        .command(&["check", "--import"])
        .output();
    output.assert_code(0);
    let pid = i32::try_from(told(&service).as_i64().unwrap()).unwrap();
    assert_eq!(Process::read(pid), None);
}
