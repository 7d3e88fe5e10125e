//! An environment that is misspelt, or that is production by its name only, is refused by each command.

use std::fs;

use serde_json::json;

use crate::launcher::Launcher;
use crate::output::Output;
use crate::service::{PROBE_APP, Service};

/// A production service whose only environment is prod.
fn only_prod() -> Service {
    Service::new().file("config/prod/config.json", r#"{"use_nginx": true}"#)
}

#[track_caller]
fn refuses(output: &Output, parts: &[&str]) {
    output.assert_code(78);
    for part in parts {
        output.assert_says(part);
    }
}

#[test]
fn an_environment_without_a_folder_is_refused_by_every_command() {
    let commands: [&[&str]; 5] = [
        &["check"],
        &["render"],
        &["run"],
        &["run", "--dev"],
        &["run", "--production"],
    ];
    let parts = [
        "\"production\"",
        "config/production",
        "did you mean \"prod\"?",
    ];
    for command in commands {
        let launcher = || Launcher::new(&only_prod()).command(command);
        refuses(&launcher().after(&["--env", "production"]).output(), &parts);
        let output = launcher().env("MICROSERVICE_ENV", "production").output();
        refuses(&output, &parts);
    }
}

#[test]
fn a_configuration_that_is_named_needs_no_folder_of_the_environment() {
    let service = only_prod();
    let check = || {
        Launcher::new(&service)
            .command(&["check"])
            .env("MICROSERVICE_ENV", "production")
    };
    let folder = service.root().join("config").display().to_string();
    check()
        .env("CONFIG_PATH", folder.clone())
        .output()
        .assert_code(0);
    let file = format!("{folder}/prod/config.json");
    check()
        .env("MICROSERVICE_CONFIG", file)
        .output()
        .assert_code(0);
    // The platform's application IDs have folders beside those of environments.
    check()
        .env("MICROSERVICE_APP_ID", "prod")
        .output()
        .assert_code(0);
}

#[test]
fn a_reload_without_the_folder_of_the_environment_is_refused_and_the_service_serves_on() {
    let service = Service::with_slots(1).file(
        "config/production/config.json",
        r#"{"use_nginx": true, "nginx_config": {"wsgi_worker_threads_count": 1}}"#,
    );
    let running = Launcher::new(&service)
        .command(&["run"])
        .env("MICROSERVICE_ENV", "production")
        .start_ready();
    let config = service.root().join("config");
    fs::rename(config.join("production"), config.join("prod")).unwrap();
    refuses(
        &running.run_command(&["reload"]),
        &["did you mean \"prod\"?"],
    );
    running.get_ok("/");
}

#[test]
fn a_production_environment_needs_the_key_to_run_in_development() {
    for env in ["production", "Prod", "live/eu", "STAGING"] {
        for config in [json!({}), json!({"use_nginx": null})] {
            let service = Service::empty().main_py(PROBE_APP).config(&config);
            for command in ["run", "check", "render"] {
                let launcher = || Launcher::new(&service).command(&[command]);
                let parts = [
                    &format!("{env:?}"),
                    "\"use_nginx\": true",
                    "config/config.json",
                ];
                refuses(&launcher().env("MICROSERVICE_ENV", env).output(), &parts);
                refuses(&launcher().after(&["--env", env]).output(), &parts);
            }
        }
    }
}

#[test]
fn a_production_environment_without_any_config_is_refused() {
    let service = Service::new();
    let run = || Launcher::new(&service).command(&["run"]);
    let output = run()
        .env("MICROSERVICE_ENV", "production")
        .env("CONFIG_PATH", "/nonexistent")
        .output();
    refuses(
        &output,
        &["there is no config.json in /nonexistent", "use_nginx"],
    );
}

#[test]
fn a_reload_does_not_lose_the_key_of_a_production_environment() {
    let service = Service::with_slots(1);
    let running = Launcher::new(&service)
        .command(&["run"])
        .env("MICROSERVICE_ENV", "production")
        .start_ready();
    service.write(
        "config/config.json",
        r#"{"nginx_config": {"wsgi_worker_threads_count": 1}}"#,
    );
    refuses(&running.run_command(&["reload"]), &["use_nginx"]);
    running.get_ok("/");
}
