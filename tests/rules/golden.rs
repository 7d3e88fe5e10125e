//! tests/golden: the plan and the files for a configuration and a host are as expected, and the real programs accept them.

use std::path::Path;

use microservice_flask::internals::plan::explain;
use microservice_flask::internals::render::{self, Rendered};

use crate::case::{self, Case, assert_none};
use crate::trial::{self, Trial};

fn text<'a>(files: &'a [Rendered], path: &str) -> &'a str {
    &files
        .iter()
        .find(|file| file.path == Path::new(path))
        .unwrap()
        .text
}

fn check(case: &Case, differences: &mut Vec<String>) {
    let host = case
        .host
        .as_ref()
        .expect("a golden case has a machine.json");
    let (config, mut findings) = case.load();
    let plan = case.plan(&config, host, &mut findings);
    assert!(!findings.has_problems(), "{}: {findings}", case.name());
    let mut explanation = explain::text(&explain::explain(&plan, &config, host));
    if !findings.list.is_empty() {
        explanation = format!("{findings}\n\n{explanation}");
    }
    let files = render::render(&plan).unwrap_or_else(|error| panic!("{}: {error}", case.name()));
    let json = serde_json::to_string_pretty(&plan).unwrap();
    case.compare("plan.json", &format!("{json}\n"), differences);
    case.compare("explain.txt", &explanation, differences);
    case.compare("nginx.conf", text(&files, "nginx/nginx.conf"), differences);
    case.compare("uwsgi.ini", text(&files, "uwsgi/uwsgi.ini"), differences);
}

#[test]
fn plans_and_files_are_as_expected() {
    let mut differences = Vec::new();
    for case in case::cases("golden") {
        check(&case, &mut differences);
    }
    assert_none(&differences);
}

#[test]
fn nginx_accepts_every_file() {
    for case in case::cases("golden") {
        let trial = Trial::new(&case);
        trial.nginx_accepts_it();
        trial.nginx_includes_every_snippet();
    }
}

#[test]
fn uwsgi_serves_with_the_default_file() {
    Trial::new(&case::golden("default")).uwsgi_imports_and_stops();
}

#[test]
fn uwsgi_serves_with_hostile_names() {
    Trial::new(&case::golden("hostile")).uwsgi_imports_and_stops();
}

#[test]
fn the_example_is_a_golden_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own =
        std::fs::read_to_string(root.join("example-rum-counter/config/production/config.json"))
            .unwrap();
    assert_eq!(
        case::golden("example").text,
        Some(own),
        "tests/golden/example/config.json is a copy of the example's"
    );
}

#[test]
fn trials_write_only_to_temporary_folders() {
    let trial = Trial::new(&case::golden("hostile"));
    let temp = trial::temporary_root();
    assert!(trial.plan.root.starts_with(&temp) && trial.plan.layout.runtime.starts_with(&temp));
}
