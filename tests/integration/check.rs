//! `check`: reports all problems that can be found without starting the service.

use std::path::Path;

use serde_json::json;

use crate::launcher::Launcher;
use crate::output::Output;
use crate::service::{Service, world_accessible_folder};

fn check(service: &Service) -> Output {
    Launcher::new(service).command(&["check"]).output()
}

#[track_caller]
fn assert_contains_all(output: &Output, parts: &[&str]) {
    for part in parts {
        output.assert_says(part);
    }
}

#[test]
fn all_problems_are_reported_with_their_pointers() {
    let service = Service::new().config(&json!({
        "use_nginx": "yes",
        "nginx_config": {
            "wsgi_worker_threads_count": 0,
            "max_body_size": "many",
            "gzip": 3,
            "trusted_proxies": ["10.0.0.0/8", "10.0.0.0/99"],
            "health_check_path": "no-slash",
            "wsgi_worker_thread_count": 4
        },
        "uwsgi_config": {"processes": 4}
    }));
    let output = check(&service);
    output.assert_code(78);
    assert_contains_all(
        &output,
        &[
            "config.json",
            "/use_nginx",
            "/nginx_config/wsgi_worker_threads_count",
            "/nginx_config/max_body_size",
            "/nginx_config/gzip",
            "/nginx_config/trusted_proxies/1",
            "/nginx_config/health_check_path",
            "/nginx_config/wsgi_worker_thread_count",
            "/uwsgi_config/processes",
            "did you mean",
        ],
    );
}

#[test]
fn run_and_render_print_the_problems_of_check() {
    let wrong = json!({"use_nginx": true, "nginx_config": {"gzip": 3, "max_body_size": "many"}});
    let service = Service::new().config(&wrong);
    for command in [&["run", "--production"][..], &["run", "--dev"], &["render"]] {
        let output = Launcher::new(&service).command(command).output();
        output.assert_code(78);
        assert_contains_all(
            &output,
            &["/nginx_config/gzip", "/nginx_config/max_body_size"],
        );
    }
}

#[test]
fn invalid_json_is_a_problem_with_its_line() {
    for text in [
        "{\n\"use_nginx\": true,\n}",
        "",
        "[]",
        "{\"use_nginx\": true} {}",
    ] {
        let service = Service::new().file("config/config.json", text);
        check(&service).assert_code(78).assert_says("config.json");
    }
    let comma = Service::new().file("config/config.json", "{\n\"use_nginx\": true,\n}");
    check(&comma).assert_says("line 3");
}

#[test]
fn processes_that_do_not_divide_the_slots_get_the_nearest_values() {
    let section = json!({"wsgi_worker_threads_count": 12, "wsgi_processes": 5});
    let output = check(&Service::new().nginx_config(&section));
    output.assert_code(78);
    assert_contains_all(&output, &["/nginx_config/wsgi_processes", "4", "6"]);
}

#[test]
fn keys_of_the_service_are_ignored_and_misspelled_ones_warned_about() {
    let config = json!({"use_nginx": true, "use_ngnix": true, "database": {"url": "postgres://"}});
    let output = check(&Service::new().config(&config));
    output
        .assert_code(0)
        .assert_says("use_nginx")
        .assert_says("use_ngnix");
    assert!(!output.text().contains("database"), "{}", output.text());
}

#[test]
fn apache_names_work_and_nginx_names_take_precedence_key_by_key() {
    let config = json!({
        "use_apache": true,
        "apache_config": {"wsgi_worker_threads_count": 3, "wsgi_processes": 3, "LogLevel": "warn"},
        "nginx_config": {"wsgi_worker_threads_count": 6}
    });
    let output = check(&Service::new().config(&config));
    // Apache's own key is reported once, as a warning.
    output.assert_code(0).assert_says("LogLevel");
    let of_apache = json!({"use_apache": true, "apache_config": {"wsgi_processes": 5}});
    check(&Service::new().config(&of_apache))
        .assert_code(78)
        .assert_says("/apache_config/wsgi_processes");
}

#[test]
fn the_plan_is_printed_with_its_numbers() {
    let section = json!({"wsgi_worker_threads_count": 6, "wsgi_processes": 3});
    let output = check(&Service::new().nginx_config(&section));
    output.assert_code(0);
    let planned =
        |line: &str| line.contains("processes") && line.contains('3') && line.contains("2 threads");
    assert!(output.text().lines().any(planned), "{}", output.text());
    output.assert_says("127.0.0.1:");
    let alone = check(&Service::with_threads(5));
    // Important for a service with state in memory.
    alone.assert_code(0).assert_says("5 threads");
    check(&Service::new()).assert_code(0).assert_says("17");
}

#[test]
fn a_missing_config_is_no_error() {
    let service = Service::empty().main_py(crate::service::PROBE_APP);
    check(&service).assert_code(0);
}

#[test]
fn no_service_folder_is_66_and_names_it() {
    let output = Launcher::for_folder(Path::new("/nonexistent/rum"))
        .command(&["check"])
        .output();
    output.assert_code(66).assert_says("/nonexistent/rum");
    let run = Launcher::for_folder(Path::new("/nonexistent/rum")).output();
    run.assert_code(66).assert_says("/nonexistent/rum");
}

#[test]
fn no_main_py_is_66_and_names_it() {
    let service = Service::empty();
    let looked_for = service.root().join("src/main.py").display().to_string();
    for command in [&["check"][..], &["run", "--production"], &["run", "--dev"]] {
        let output = Launcher::new(&service).command(command).output();
        output.assert_code(66).assert_says(&looked_for);
    }
}

#[test]
fn no_service_is_66_with_a_hint_how_to_name_one() {
    let service = Service::new();
    let output = Launcher::new(&service)
        .command(&["check"])
        .without_app()
        .output();
    output.assert_code(66).assert_says("MICROSERVICE_NAME");
}

#[test]
fn a_config_given_on_the_command_line_must_exist() {
    let service = Service::new();
    let output = Launcher::new(&service)
        .command(&["check"])
        .after(&["--config", "/nonexistent.json"])
        .output();
    output.assert_code(66).assert_says("/nonexistent.json");
}

#[test]
fn config_path_is_searched_in_its_order() {
    let service = Service::new()
        .file("first/other.json", "{}")
        .file(
            "second/config.json",
            r#"{"nginx_config": {"gzip": "second"}}"#,
        )
        .file(
            "third/config.json",
            r#"{"nginx_config": {"gzip": "third"}}"#,
        );
    let folder = |name: &str| service.root().join(name).display().to_string();
    let path = [
        folder("missing"),
        folder("first"),
        folder("second"),
        folder("third"),
    ]
    .join(":");
    let output = Launcher::new(&service)
        .command(&["check"])
        .env("CONFIG_PATH", path)
        .output();
    output.assert_code(78).assert_says("second/config.json");
    assert!(!output.text().contains("third"), "{}", output.text());
}

#[test]
fn the_environment_selects_the_config_folder() {
    let service = Service::new().file(
        "config/production/eu/config.json",
        r#"{"nginx_config": {"gzip": 1}}"#,
    );
    let output = Launcher::new(&service)
        .command(&["check"])
        .env("MICROSERVICE_ENV", "production/eu")
        .output();
    output
        .assert_code(78)
        .assert_says("config/production/eu/config.json");
    // There is no file for it, so the one in the parent folder is used.
    let other = Launcher::new(&service)
        .command(&["check"])
        .env("MICROSERVICE_ENV", "production/us")
        .output();
    other.assert_code(0);
}

#[test]
fn a_broken_snippet_is_found_by_nginx() {
    let service = Service::new().file("nginx/server.d/x.conf", "no_such_directive on;\n");
    check(&service)
        .assert_code(78)
        .assert_says("no_such_directive");
    let fine = Service::new().file("nginx/http.d/x.conf", "server_names_hash_bucket_size 64;\n");
    check(&fine).assert_code(0);
}

#[test]
fn check_leaves_no_files() {
    let service = Service::new();
    let scratch = world_accessible_folder("scratch-");
    let runtime = scratch.path().join("run");
    Launcher::new(&service)
        .command(&["check"])
        .runtime_dir(&runtime)
        .output()
        .assert_code(0);
    assert!(!runtime.exists(), "{runtime:?} was made by check");
}

#[test]
fn unknown_uwsgi_options_are_problems() {
    let options = json!({"max-request": 5, "max-requests": 5, "wsgi-strict": true});
    let config = json!({"use_nginx": true, "uwsgi_config": options});
    for command in [&["check"][..], &["run", "--production"]] {
        let output = Launcher::new(&Service::new().config(&config))
            .command(command)
            .output();
        output.assert_code(78);
        assert_contains_all(&output, &["/uwsgi_config/max-request", "\"max-requests\"?"]);
        assert!(!output.text().contains("wsgi-strict"), "{}", output.text());
    }
}

#[test]
fn a_folder_that_the_workers_cannot_read_is_a_warning() {
    let service = Service::new();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(service.root(), closed).unwrap();
    let output = check(&service);
    let chmod = format!("chmod o+x {}", service.root().display());
    output.assert_code(0).assert_says(&chmod);
}

#[test]
fn an_unknown_environment_is_a_problem() {
    let service = Service::new().file("config/production/config.json", "{}");
    let output = Launcher::new(&service)
        .command(&["check"])
        .env("MICROSERVICE_ENV", "prodction")
        .output();
    // It would run with the configuration of no environment.
    output.assert_code(78);
    assert_contains_all(&output, &["\"prodction\"", "did you mean \"production\"?"]);
}

#[test]
fn snippets_that_speak_the_uwsgi_protocol_are_reported() {
    let service = Service::with_slots(1)
        .file("nginx/server.d/a.conf", "uwsgi_buffering off;\n")
        .file(
            "nginx/server.d/b.conf",
            "location /x {\n    uwsgi_pass application;\n}\n",
        );
    let output = check(&service);
    output.assert_code(78);
    assert_contains_all(
        &output,
        &[
            "a.conf:1: uwsgi_buffering has no effect",
            "use proxy_buffering",
            "b.conf:2: uwsgi_pass cannot reach the application",
            "proxy_pass http://application;",
        ],
    );
}
