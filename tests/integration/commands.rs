//! `render`, `schema`, `completions` and the command line itself.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::family::on_path;
use crate::launcher::{Launcher, SYSTEM_PATH};
use crate::service::{Service, world_accessible_folder};

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn render_writes_or_prints_the_files() {
    let service = Service::new();
    let scratch = world_accessible_folder("render-");
    let out = scratch.path().join("out");
    let path = out.display().to_string();
    let render = || {
        Launcher::new(&service)
            .command(&["render"])
            .after(&["--out", &path])
            .output()
    };
    render().assert_code(0);
    let names = files_below(&out);
    for name in ["nginx.conf", "uwsgi.ini"] {
        assert!(names.iter().any(|file| file.ends_with(name)), "{names:?}");
    }
    let printed = Launcher::new(&service).command(&["render"]).output();
    printed
        .assert_code(0)
        .assert_says("proxy_pass")
        .assert_says("need-app");
    let unwritable = Launcher::new(&service)
        .command(&["render"])
        .after(&["--out", "/proc/rum"])
        .output();
    unwritable
        .assert_code(73)
        .assert_says("/proc/rum")
        .assert_says("may write with --out");
}

#[test]
fn schema_is_json_and_contains_the_keys() {
    let service = Service::new();
    let output = Launcher::new(&service).command(&["schema"]).output();
    output.assert_code(0);
    let schema: Value = serde_json::from_str(&output.stdout()).unwrap();
    let text = schema.to_string();
    assert!(schema["$schema"].is_string(), "{text}");
    for key in [
        "use_nginx",
        "use_apache",
        "nginx_config",
        "wsgi_worker_threads_count",
        "wsgi_processes",
    ] {
        assert!(text.contains(&format!("\"{key}\"")), "no {key} in {text}");
    }
}

#[test]
fn completions_are_bash_that_bash_accepts() {
    let service = Service::new();
    let output = Launcher::new(&service)
        .command(&["completions"])
        .after(&["bash"])
        .output();
    output.assert_code(0).assert_says("microservice-flask");
    let scratch = world_accessible_folder("completions-");
    let script = scratch.path().join("completions.bash");
    fs::write(&script, output.stdout()).unwrap();
    let bash = on_path(SYSTEM_PATH, "bash").unwrap();
    assert!(
        std::process::Command::new(bash)
            .arg("-n")
            .arg(&script)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_wrong_command_line_is_2() {
    let service = Service::new();
    for words in [
        &["run", "--sideways"][..],
        &["no-such-command"],
        &["run", "--dev", "--production"],
    ] {
        Launcher::new(&service)
            .command(words)
            .output()
            .assert_code(2);
    }
    Launcher::new(&service)
        .listen("example.org:80")
        .output()
        .assert_code(2)
        .assert_says("example.org");
}

#[test]
fn values_cannot_change_the_structure_of_a_file() {
    let hostile = "x\"; } } events { } # \n[uwsgi]\nexec = touch /tmp/owned\n";
    let service = Service::new();
    let named = Launcher::new(&service)
        .command(&["check"])
        .after(&["--name", hostile])
        .output();
    assert!(
        matches!(named.exit.code, Some(0 | 2 | 66 | 78)),
        "{:?} {}",
        named.exit,
        named.text()
    );
    let rendered = Launcher::new(&service)
        .command(&["render"])
        .after(&["--name", hostile])
        .output();
    let broken =
        |line: &str| line.trim_start().starts_with("[uwsgi]") || line.starts_with("exec =");
    let sections = rendered
        .stdout()
        .lines()
        .filter(|line| broken(line))
        .count();
    assert!(sections <= 1, "{}", rendered.stdout());
}

#[test]
fn empty_variables_count_as_unset() {
    let service = Service::new();
    let mut launcher = Launcher::new(&service).command(&["check"]);
    for name in [
        "LISTEN",
        "ADMIN",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "DIR",
        "CONFIG",
        "RUNTIME_DIR",
    ] {
        launcher = launcher.env(&format!("MICROSERVICE_{name}"), "");
    }
    launcher
        .without_options()
        .output()
        .assert_code(66)
        .assert_says("no --app");
}
