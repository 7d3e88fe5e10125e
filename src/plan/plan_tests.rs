//! Findings of plans, from small config files and hosts.

use super::*;
use crate::host::Folder;
use crate::host::access::{DeniedAccess, Permission};

fn user(name: &str, id: u32) -> User {
    User {
        name: name.to_owned(),
        uid: id,
        gid: id,
        group: None,
        home: PathBuf::from("/"),
    }
}

/// Plans a service with this config.json on a host whose uWSGI has four options.
#[track_caller]
fn check(text: &str, denied: Option<DeniedAccess>, expected: &[(&str, &str, &str)]) {
    let (config, mut findings) = crate::config::load(None, Some(text));
    let host = Host {
        worker_user: Some(user("www-data", 33)),
        nginx_user: Some(user("nginx", 101)),
        uwsgi_options: Some(["R", "max-requests", "env"].map(str::to_owned).into()),
        folder: Folder {
            denied,
            ..Folder::default()
        },
        ..Host::bare()
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
        allow_root: false,
    };
    plan(input, &config, &host, &mut findings);
    assert_eq!(findings.list.len(), expected.len(), "{findings}");
    for (finding, (at, what, hint)) in findings.list.iter().zip(expected) {
        assert_eq!(finding.at, *at);
        assert!(finding.what.contains(what), "{finding:?}");
        assert!(finding.hint.contains(hint), "{finding:?}");
    }
}

#[test]
fn unknown_uwsgi_options_are_problems() {
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
}

#[test]
fn a_folder_that_the_workers_cannot_read_is_a_warning() {
    let denied = DeniedAccess {
        path: PathBuf::from("/opt/x"),
        mode: 0o700,
        permission: Permission::Enter,
    };
    check(
        "{}",
        Some(denied),
        &[(
            "",
            "www-data cannot enter /opt/x (mode 0700)",
            "chmod o+x /opt/x",
        )],
    );
}
