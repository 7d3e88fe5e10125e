//! tests/golden: what comes of a configuration and a host is pinned, and the real programs take it.

use std::path::Path;

use microservice_flask::plan::explain;
use microservice_flask::render::{self, Rendered};

use crate::case::{self, Case, nothing};
use crate::trial::{self, Trial};

fn text<'a>(files: &'a [Rendered], path: &str) -> &'a str {
    &files
        .iter()
        .find(|file| file.path == Path::new(path))
        .unwrap()
        .text
}

fn check(case: &Case, broken: &mut Vec<String>) {
    let host = case.host.as_ref().expect("a golden case has a host.json");
    let (config, mut findings) = case.load();
    let plan = case.plan(&config, host, &mut findings);
    assert!(!findings.has_problems(), "{}: {findings}", case.name());
    let mut told = explain::text(&explain::explain(&plan, &config, host));
    if !findings.list.is_empty() {
        told = format!("{findings}\n\n{told}");
    }
    let files = render::render(&plan).unwrap_or_else(|error| panic!("{}: {error}", case.name()));
    let json = serde_json::to_string_pretty(&plan).unwrap();
    case.compare("plan.json", &format!("{json}\n"), broken);
    case.compare("explain.txt", &told, broken);
    case.compare("nginx.conf", text(&files, "nginx/nginx.conf"), broken);
    case.compare("uwsgi.ini", text(&files, "uwsgi/uwsgi.ini"), broken);
}

#[test]
fn plans_and_files_are_as_pinned() {
    let mut broken = Vec::new();
    for case in case::cases("golden") {
        check(&case, &mut broken);
    }
    nothing(&broken);
}

#[test]
fn nginx_takes_every_file() {
    for case in case::cases("golden") {
        let trial = Trial::new(&case);
        trial.nginx_takes_it();
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
fn the_example_is_a_case() {
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
fn trials_keep_away_from_the_machine() {
    let trial = Trial::new(&case::golden("hostile"));
    let temp = trial::temporary_root();
    assert!(trial.plan.root.starts_with(&temp) && trial.plan.layout.runtime.starts_with(&temp));
}
