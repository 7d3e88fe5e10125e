//! nginx and the application run as users of their own, and neither can look into the other.

use std::time::Duration;

use serde_json::json;

use super::{WORKER, compromised_without_sandbox, run, status_line};
use crate::http::Request;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::runtime_folder::NOBODY;
use crate::service::{Service, one_process};

/// The user IDs of all processes below the launcher, by the beginning of their titles.
fn users(running: &Running, name: &str) -> Vec<String> {
    let processes = running.children_named(name);
    assert!(!processes.is_empty());
    processes
        .iter()
        .map(|process| status_line(process.pid, "Uid"))
        .collect()
}

fn all(user: u32) -> String {
    [
        user.to_string(),
        user.to_string(),
        user.to_string(),
        user.to_string(),
    ]
    .join("\t")
}

/// The user for nginx on this machine: nginx where there is one.
fn user_of_nginx() -> u32 {
    let user = nix::unistd::User::from_name("nginx").unwrap();
    user.map_or(NOBODY, |user| user.uid.as_raw())
}

#[test]
fn nothing_but_the_launcher_is_root() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    for master in [running.nginx_master(), running.uwsgi_master()] {
        assert_ne!(status_line(master.pid, "Uid"), all(0));
    }
    assert_eq!(
        status_line(running.nginx_master().pid, "Uid"),
        all(user_of_nginx())
    );
    for worker in running.nginx_workers() {
        assert_eq!(status_line(worker.pid, "Uid"), all(user_of_nginx()));
    }
    for worker in running.uwsgi_workers() {
        assert_eq!(status_line(worker.pid, "Uid"), all(WORKER));
    }
    assert!(!users(&running, "nginx").contains(&all(WORKER)));
    running.run_command(&["check"]).assert_says("nginx's user");
    running.stop(Duration::from_secs(15));
}

#[test]
fn the_application_reads_neither_memory_nor_pipes_of_nginx() {
    let running = Launcher::new(&compromised_without_sandbox()).start_ready();
    running.send_ok(&Request::get("/").header("Authorization", "Bearer sesame"));
    for process in running
        .nginx_workers()
        .iter()
        .chain([&running.nginx_master()])
    {
        let pid = process.pid;
        let script = format!(
            "head -c 1 /proc/{pid}/mem; echo forged > /proc/{pid}/fd/1; ls /proc/{pid}/fd; kill -STOP {pid}"
        );
        let said = run(&running, &script);
        let denied =
            said.matches("ermission denied").count() + said.matches("not permitted").count();
        assert_eq!(denied, 4, "{said}");
    }
    assert!(!running.log.contains("forged"));
}

#[test]
fn root_needs_a_flag() {
    let service = || {
        let mut section = one_process();
        section["user"] = json!("root");
        section["nginx_user"] = json!("root");
        Service::new().nginx_config(&section)
    };
    for command in ["run", "check", "render"] {
        let refused = Launcher::new(&service()).command(&[command]).output();
        refused.assert_code(78);
        refused.assert_says("/nginx_config/user");
        refused.assert_says("/nginx_config/nginx_user");
        refused.assert_says("--allow-root");
    }
    let refused = Launcher::new(&service()).dev().output();
    refused.assert_code(78).assert_says("--allow-root");
    let running = Launcher::new(&service())
        .env("MICROSERVICE_ALLOW_ROOT", "1")
        .start_ready();
    assert_eq!(status_line(running.uwsgi_master().pid, "Uid"), all(0));
    assert_eq!(status_line(running.nginx_master().pid, "Uid"), all(0));
}

#[test]
fn one_user_for_both_is_told() {
    let mut section = one_process();
    section["nginx_user"] = json!("www-data");
    let service = Service::new().nginx_config(&section);
    let told = Launcher::new(&service).command(&["check"]).output();
    told.assert_code(0);
    told.assert_says("nginx and the application both run as www-data");
}
