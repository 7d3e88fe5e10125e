//! Warnings about variables.

use super::*;
use crate::config::problem::Severity;

const OPTIONS: [&str; 3] = ["processes", "max-requests", "http-socket"];

/// The warnings as "variable: hint".
fn warnings(pairs: &[(&str, &str)]) -> Vec<String> {
    let variables = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let host = Host {
        uwsgi_options: Some(OPTIONS.map(str::to_owned).into()),
        environment: Environment {
            variables: variables.collect(),
            ..Environment::default()
        },
        ..Host::bare()
    };
    let mut findings = Findings::default();
    let compared = Compared {
        host: &host,
        listen: &["0.0.0.0:8080".parse().unwrap()],
        root: std::path::Path::new("/opt/x"),
    };
    check(compared, &mut findings);
    assert!(
        findings
            .list
            .iter()
            .all(|it| it.severity == Severity::Warning)
    );
    let list = findings.list.iter();
    list.map(|it| format!("{}: {}", it.at, it.what)).collect()
}

#[track_caller]
fn check_warned(pairs: &[(&str, &str)], expected: &[&str]) {
    let found = warnings(pairs);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn options_of_uwsgi_are_named_and_other_variables_are_not() {
    let kubernetes = [
        ("UWSGI_PORT", "tcp://10.0.0.7:3031"),
        ("UWSGI_SERVICE_HOST", "10.0.0.7"),
    ];
    check_warned(&kubernetes, &[]);
    let options = [("UWSGI_PROCESSES", "4"), ("UWSGI_Max_Requests", "1")];
    check_warned(
        &options,
        &[
            "$UWSGI_Max_Requests: uWSGI does not get it as its option \"max-requests\"",
            "$UWSGI_PROCESSES: uWSGI does not get it as its option \"processes\"",
        ],
    );
}

#[test]
fn flask_variables_are_named_when_they_contradict_the_plan() {
    let same = [
        ("FLASK_APP", "main.py"),
        ("FLASK_RUN_PORT", "8080"),
        ("FLASK_RUN_HOST", "0.0.0.0"),
        ("FLASK_DEBUG", "0"),
        ("FLASK_RUN_RELOAD", "False"),
        ("FLASK_ENV", "production"),
        ("FLASK_SECRET_KEY", "x"),
        ("FLASK_PORT", "tcp://10.0.0.7:80"),
    ];
    check_warned(&same, &[]);
    for app in ["main", "./main.py", "main:app", "/opt/x/src/main.py"] {
        check_warned(&[("FLASK_APP", app)], &[]);
    }
    check_warned(&[("FLASK_APP", "shop")], &["$FLASK_APP: \"shop\" has no"]);
    let other = [
        ("FLASK_DEBUG", "1"),
        ("FLASK_ENV", "development"),
        ("FLASK_RUN_PORT", "5000"),
        ("FLASK_RUN_CERT", "adhoc"),
    ];
    check_warned(
        &other,
        &[
            "$FLASK_DEBUG: it turns on",
            "$FLASK_ENV: it turns on",
            "$FLASK_RUN_PORT: FLASK_RUN_PORT, FLASK_RUN_CERT has no effect",
        ],
    );
}

#[test]
fn python_variables_are_named_with_their_effect() {
    let usual = [
        ("PYTHONPATH", "/opt/lib"),
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONHASHSEED", "random"),
        ("PYTHONIOENCODING", "utf-8:replace"),
        ("PYTHONOPTIMIZE", ""),
        ("PYTHON_VERSION", "3.11"),
    ];
    check_warned(&usual, &[]);
    check_warned(
        &[("PYTHONHOME", "/x"), ("PYTHONOPTIMIZE", "1")],
        &["$PYTHONHOME: Python takes", "$PYTHONOPTIMIZE: assert"],
    );
}

#[test]
fn other_variables_are_named() {
    check_warned(&[("NGINX", "3;")], &["$NGINX: nginx would take"]);
    check_warned(&[("VIRTUAL_ENV", "/x")], &["$VIRTUAL_ENV: /x is no"]);
}
