//! Failed reloads whose effect is not visible to clients.

use std::process::Command;

use serde_json::json;

use crate::launcher::Launcher;
use crate::service::Service;

#[test]
fn an_nginx_test_that_hangs_is_killed() {
    let service = Service::with_slots(2);
    let running = Launcher::new(&service).start_ready();
    let fifo = service.root().join("never.conf");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let include = format!("include {};\n", fifo.display());
    service.write("nginx/server.d/a.conf", &include);
    running
        .run_command(&["reload"])
        .assert_code(78)
        .assert_says("nginx -t did not end within 30 s");
    std::fs::remove_file(service.root().join("nginx/server.d/a.conf")).unwrap();
    service.write_version("2");
    running.run_command(&["reload"]).assert_code(0);
    assert_eq!(running.get_ok("/version").text(), "2");
}

#[test]
fn the_mode_of_the_command_line_applies_to_reloads() {
    let config = json!({"use_nginx": false, "nginx_config": {"wsgi_worker_threads_count": 2}});
    let service = Service::new().config(&config);
    let running = Launcher::new(&service).start_ready();
    service.write_version("2");
    running.run_command(&["reload"]).assert_code(0);
    assert_eq!(running.get_ok("/version").text(), "2");
}
