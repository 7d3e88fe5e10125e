//! What the application could get by a reload or by false figures: another user, a way out of its sandbox, the end of
//! nginx, the terminal of root.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::{Value, json};

use super::{WORKER, chmod, compromised, compromised_without_sandbox, run};
use crate::http::Request;
use crate::launcher::Launcher;
use crate::service::{Service, one_process, world_accessible_folder};
use crate::wait::{pass_time, until};

const FORGE: &str = include_str!("forged_statistics.py");

/// The configuration with this key, which the application writes itself.
fn with(key: &str, value: Value) -> String {
    let mut section = one_process();
    section[key] = value;
    json!({"use_nginx": true, "nginx_config": section}).to_string()
}

#[test]
fn an_application_that_writes_its_configuration_stays_who_and_where_it_is() {
    let service = compromised();
    for path in ["", "config", "config/config.json"] {
        chmod(&service.root().join(path), 0o755, WORKER);
    }
    let mut running = Launcher::new(&service).start_ready();
    running
        .log
        .wait_for_text("code of the application can change its own configuration");
    let file = service.root().join("config/config.json");
    for (key, value) in [
        ("user", json!("root")),
        ("user", json!("nobody")),
        ("user", json!("no-such-user")),
        ("nginx_user", json!("root")),
        ("landlock", json!(false)),
        ("seccomp", json!(false)),
        ("writable", json!(["/var/lib"])),
    ] {
        let text = with(key, value);
        run(&running, &format!("echo '{text}' > {}", file.display()));
        let refused = running.run_command(&["reload"]);
        refused.assert_code(78).assert_says("a reload cannot");
    }
    // All that is wrong is told at once.
    let text = with("user", json!("nobody"));
    service.write(
        "config/config.json",
        &text.replacen("\"nginx_config\":{", "\"nginx_config\":{\"gzp\":1,", 1),
    );
    let refused = running.run_command(&["reload"]);
    refused.assert_code(78).assert_says("/nginx_config/user");
    refused.assert_says("/nginx_config/gzp");
    chmod(&file, 0o644, WORKER);
    let said = run(
        &running,
        "id -u; grep Seccomp: /proc/self/status; touch /var/lib/x",
    );
    assert!(said.contains("33\nSeccomp:\t2"), "{said}");
    assert!(said.contains("ermission denied"), "{said}");
    // What gives it nothing is reloaded.
    run(
        &running,
        &format!("echo '{}' > {}", with("gzip", json!(false)), file.display()),
    );
    running.run_command(&["reload"]).assert_code(0);
    running.stop(Duration::from_secs(15));
}

#[test]
fn a_link_in_its_folder_is_no_way_to_a_runtime_folder() {
    let all = world_accessible_folder("links-");
    let (theirs, target) = (all.path().join("theirs"), all.path().join("target"));
    for folder in [&theirs, &target] {
        fs::create_dir(folder).unwrap();
    }
    symlink(&target, theirs.join("run")).unwrap();
    chmod(&theirs, 0o755, WORKER);
    let refused = Launcher::new(&compromised())
        .runtime_dir(&theirs.join("run"))
        .output();
    refused.assert_code(73).assert_says("may replace");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}

#[test]
fn forged_statistics_end_no_other_program() {
    let mut section = one_process();
    section["request_timeout"] = json!(3);
    let service = Service::empty()
        .main_py(include_str!("shell.py"))
        .nginx_config(&section)
        .file("src/forge.py", FORGE);
    let mut running = Launcher::new(&service).start_ready();
    let victims = running.nginx_workers();
    let pids: Vec<String> = victims
        .iter()
        .map(|worker| worker.pid.to_string())
        .collect();
    let script = format!(
        "setsid /usr/bin/python3 {} {} {} >/tmp/forged-$$ 2>&1 </dev/null & sleep 1; cat /tmp/forged-$$; rm /tmp/forged-$$",
        service.root().join("src/forge.py").display(),
        running.runtime().join("1/uwsgi/stats.sock").display(),
        pids.join(" ")
    );
    assert_eq!(run(&running, &script).trim(), "listening");
    // The launcher asks once a second, and kills what is overdue: six seconds after its beginning.
    pass_time(Duration::from_secs(9));
    for victim in &victims {
        assert!(victim.is_alive(), "{}", victim.pid);
    }
    assert!(!running.log.contains("its worker is killed"));
    running.send_ok(&Request::get("/"));
    running.stop(Duration::from_secs(40));
}

/// Gives the launcher a terminal.
const IN_A_TERMINAL: [&str; 3] = [
    "/usr/bin/python3",
    "-c",
    "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)",
];

#[test]
fn no_program_has_the_terminal_of_the_launcher() {
    let in_terminal = |service: &Service| Launcher::new(service).through(&IN_A_TERMINAL);
    let running = in_terminal(&compromised_without_sandbox()).start_ready();
    let said = run(
        &running,
        "echo x > /dev/tty; cut -d ' ' -f 7 /proc/$PPID/stat",
    );
    assert!(said.contains("No such device"), "{said}");
    assert!(said.contains("\n0\n") || said.starts_with("0\n"), "{said}");
    let development = in_terminal(&compromised()).dev().start();
    let of_flask = until(Duration::from_secs(20), "flask", || {
        let script =
            "grep ^Seccomp: /proc/self/status; test -w /dev/tty && : > /dev/tty && echo has one";
        let answer = development.send(&Request::post("/sh", script)).ok()?;
        Some(answer.text())
    });
    assert_eq!(
        of_flask, "Seccomp:\t2\nhas one\n",
        "it has the terminal, and typing into it is refused"
    );
}
