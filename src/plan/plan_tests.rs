//! Plans, by configurations and machines.

use super::*;
use crate::machine::Folder;
use crate::machine::access::{Closed, Need};

/// Plans a service with this text of config.json on a machine that knows four of uWSGI's options.
#[track_caller]
fn check(text: &str, closed: Option<Closed>, expected: &[(&str, &str, &str)]) {
    let (config, mut findings) = crate::config::load(None, Some(text));
    let machine = Machine {
        cpus: 1,
        cpu_quota: None,
        memory_limit: None,
        somaxconn: 4096,
        open_files: 1024,
        root: true,
        worker_user: Some(User {
            name: "www-data".to_owned(),
            uid: 33,
            gid: 33,
            group: None,
            home: PathBuf::from("/"),
        }),
        nginx: None,
        uwsgi: None,
        uwsgi_options: Some(
            ["R", "max-requests", "env", "declare-option"]
                .map(str::to_owned)
                .into(),
        ),
        folder: Folder {
            closed,
            ..Folder::default()
        },
    };
    let input = PlanInput {
        name: "x".to_owned(),
        root: PathBuf::from("/opt/x"),
        listen: Vec::new(),
        layout: Layout {
            runtime: PathBuf::from("/run/x"),
            generation: 1,
            canary: false,
        },
    };
    plan(input, &config, &machine, &mut findings);
    assert_eq!(findings.list.len(), expected.len(), "{findings}");
    for (finding, (at, what, hint)) in findings.list.iter().zip(expected) {
        assert_eq!(finding.at, *at);
        assert!(finding.what.contains(what), "{finding:?}");
        assert!(finding.hint.contains(hint), "{finding:?}");
    }
}

#[test]
fn options_that_uwsgi_does_not_know_are_problems() {
    check(
        r#"{"uwsgi_config": {"max-requests": 5, "R": 5, "env": ["A=1", "B=2"]}}"#,
        None,
        &[],
    );
    check(
        r#"{"uwsgi_config": {"max-request": 5, "max_requests": 5, "no-such": ["a", "b"]}}"#,
        None,
        &[
            (
                "/uwsgi_config/max-request",
                "knows no option",
                "did you mean \"max-requests\"?",
            ),
            (
                "/uwsgi_config/max_requests",
                "knows no option",
                "did you mean \"max-requests\"?",
            ),
            ("/uwsgi_config/no-such", "knows no option", "uwsgi --help"),
        ],
    );
    check(
        r#"{"uwsgi_config": {"declare-option": "mine=env=$1", "mine": "A=1"}}"#,
        None,
        &[],
    );
}

#[test]
fn a_folder_that_is_closed_to_the_workers_is_a_warning() {
    let closed = Closed {
        path: PathBuf::from("/opt/x"),
        mode: 0o700,
        need: Need::Enter,
    };
    check(
        "{}",
        Some(closed),
        &[(
            "",
            "www-data cannot enter /opt/x (mode 0700)",
            "chmod o+x /opt/x",
        )],
    );
}
