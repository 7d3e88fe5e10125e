//! Parses small config files.

use super::*;

#[track_caller]
fn check(text: &str, expected: &[(&str, &str, &str)]) -> RawConfig {
    let mut findings = Findings::default();
    let raw = parse(text, &mut findings);
    assert_eq!(findings.list.len(), expected.len(), "{findings}");
    for (finding, (at, what, hint)) in findings.list.iter().zip(expected) {
        assert_eq!(finding.at, *at);
        assert!(finding.what.contains(what), "{finding:?}");
        assert!(finding.hint.contains(hint), "{finding:?}");
    }
    raw
}

#[test]
fn keys_of_the_service_are_ignored() {
    check(
        r#"{"use_nginx": true, "database": {"url": "x"}, "threads": 3}"#,
        &[],
    );
}

#[test]
fn misspelled_keys_get_a_hint() {
    check(
        r#"{"use_ngnix": true}"#,
        &[("/use_ngnix", "has no effect", "did you mean \"use_nginx\"?")],
    );
    check(
        r#"{"nginx_config": {"wsgi_worker_threads": 4}}"#,
        &[(
            "/nginx_config/wsgi_worker_threads",
            "unknown key",
            "did you mean \"wsgi_worker_threads_count\"?",
        )],
    );
    check(
        r#"{"nginx_confg": {}}"#,
        &[("/nginx_confg", "has no effect", "nginx_config")],
    );
    check(
        r#"{"nginx_config": {"gzipp": true}}"#,
        &[(
            "/nginx_config/gzipp",
            "unknown key",
            "did you mean \"gzip\"?",
        )],
    );
    check(
        r#"{"nginx_config": {"colour": true}}"#,
        &[(
            "/nginx_config/colour",
            "unknown key",
            "known keys: wsgi_worker",
        )],
    );
}

#[test]
fn log_config_is_parsed() {
    let raw = check(
        r#"{"log_config": {"access": "errors", "on_full": "block", "buffer": "64k"}}"#,
        &[],
    );
    assert_eq!(raw.log.access, Some(AccessLog::Errors));
    assert_eq!(raw.log.on_full, Some(OnFull::Block));
    assert_eq!(raw.log.buffer, Some(Buffer(64 * 1024)));
    check(
        r#"{"log_config": {"acess": "all", "level": "debug", "access": "error", "on_full": true, "buffer": "63k"}}"#,
        &[
            (
                "/log_config/acess",
                "unknown key",
                "did you mean \"access\"?",
            ),
            (
                "/log_config/level",
                "unknown key",
                "known keys: access, on_full, buffer",
            ),
            (
                "/log_config/access",
                "\"error\"",
                "did you mean \"errors\"?",
            ),
            ("/log_config/on_full", "got true", "\"drop\", \"block\""),
            (
                "/log_config/buffer",
                "64512 bytes is too small",
                "at least \"64k\"",
            ),
        ],
    );
    check(
        r#"{"log_confg": {}}"#,
        &[(
            "/log_confg",
            "has no effect",
            "did you mean \"log_config\"?",
        )],
    );
}

#[test]
fn nginx_config_takes_precedence_key_by_key() {
    let raw = check(
        r#"{"nginx_config": {"wsgi_worker_threads_count": 4},
            "apache_config": {"wsgi_worker_threads_count": "9", "stop_timeout": 5, "KeepAlive": "On", "Timeout": 3}}"#,
        &[(
            "/apache_config",
            "no effect under nginx: KeepAlive, Timeout",
            "remove them",
        )],
    );
    assert_eq!(raw.server.wsgi_worker_threads_count, Some(Count(4)));
    assert_eq!(
        raw.at("wsgi_worker_threads_count"),
        "/nginx_config/wsgi_worker_threads_count"
    );
    assert_eq!(raw.at("stop_timeout"), "/apache_config/stop_timeout");
    assert_eq!(raw.at("gzip"), "/nginx_config/gzip");
}

#[test]
fn all_problems_are_reported_at_once() {
    check(
        r#"{"use_nginx": "true", "nginx_config": {"gzip": 1, "static": {"/x": "y"}, "user": ";"}, "apache_config": []}"#,
        &[
            ("/use_nginx", "expected true or false", "without quotes"),
            ("/apache_config", "expected an object", ""),
            ("/nginx_config/gzip", "expected true or false, got 1", ""),
            ("/nginx_config/static/~1x", "does not end with /", ""),
            ("/nginx_config/user", "not a user name", ""),
        ],
    );
}

#[test]
fn invalid_json_is_reported_with_its_position() {
    check(
        "{\"use_nginx\": true,}",
        &[(
            "",
            "not valid JSON: trailing comma at line 1 column 20",
            "no trailing commas",
        )],
    );
    check("[]", &[("", "expected an object", "")]);
    check("\u{feff}{}", &[("", "not valid JSON", "byte order mark")]);
}

#[test]
fn duplicate_keys_are_problems() {
    check(
        r#"{"use_nginx": true, "use_nginx": false, "uwsgi_config": {"env": "A=1", "env": "B=2"}}"#,
        &[
            ("/use_nginx", "stands twice; the last one would win", ""),
            ("/uwsgi_config/env", "stands twice", "leave one"),
        ],
    );
}

#[test]
fn null_means_default() {
    let raw = check(
        r#"{"nginx_config": {"wsgi_processes": null}, "apache_config": null}"#,
        &[],
    );
    assert_eq!(raw.server.wsgi_processes, None);
}
