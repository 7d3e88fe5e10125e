//! Tests of the search rules on small trees of files.

use super::*;

#[track_caller]
fn check(env: &str, app_id: &str, expected: &[&str]) {
    assert_eq!(combinations(env, app_id), expected);
}

#[test]
fn folders_are_tried_deepest_first() {
    check("dev", "", &["dev", ""]);
    check("", "", &[""]);
    check("dev", "x", &["dev/x", "x/dev", "dev", "x", ""]);
    check(
        "production/eu",
        "x",
        &[
            "production/eu/x",
            "x/production/eu",
            "production/eu",
            "x/production",
            "production",
            "x",
            "",
        ],
    );
    check("../../etc", "", &["etc", ""]);
}

fn service(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn the_deepest_config_wins_and_nothing_is_merged() {
    let dir = service(&[
        ("src/main.py", ""),
        ("config/config.json", "{\"a\": 1}"),
        ("config/production/config.json", "{\"b\": 2}"),
        ("config/production/eu/other.json", ""),
    ]);
    let query = ServiceQuery {
        app: Some(dir.path().to_owned()),
        env: Some("production/eu".to_owned()),
        ..ServiceQuery::default()
    };
    let found = find_service(&query, &Env::new()).unwrap();
    let root = std::fs::canonicalize(dir.path()).unwrap();
    let config = root.join("config");
    let (file, text) = found.config.unwrap();
    assert_eq!(file, config.join("production/config.json"));
    assert_eq!(text, "{\"b\": 2}");
    let path = [
        config.join("production/eu"),
        config.join("production"),
        config,
    ];
    assert_eq!(
        found.config_path,
        path.map(|p| p.display().to_string()).join(":")
    );
}

#[test]
fn config_path_is_searched_in_its_order() {
    let dir = service(&[
        ("src/main.py", ""),
        ("one/x", ""),
        ("two/config.json", "2"),
        ("three/config.json", "3"),
    ]);
    let path = ["one", "two", "three"]
        .map(|p| dir.path().join(p).display().to_string())
        .join(":");
    let env = Env::from([("CONFIG_PATH".to_owned(), path.clone())]);
    let query = ServiceQuery {
        app: Some(dir.path().to_owned()),
        ..ServiceQuery::default()
    };
    let found = find_service(&query, &env).unwrap();
    assert_eq!(found.config.unwrap().1, "2");
    assert_eq!(found.config_path, path);
}

#[test]
fn a_misspelt_environment_is_noticed() {
    let dir = service(&[
        ("src/main.py", ""),
        ("config/config.json", "{}"),
        ("config/production/eu/config.json", "{}"),
        ("config/dev/config.json", "{}"),
    ]);
    let missing = |env: &str| {
        let query = ServiceQuery {
            app: Some(dir.path().to_owned()),
            env: Some(env.to_owned()),
            ..ServiceQuery::default()
        };
        find_service(&query, &Env::new()).unwrap().missing_env
    };
    let found = missing("prodction").unwrap();
    assert!(found.what().contains("\"prodction\""), "{}", found.what());
    assert!(
        found.what().ends_with("config/prodction"),
        "{}",
        found.what()
    );
    assert_eq!(
        found.hint(),
        "did you mean \"production\"? there are dev, production"
    );
    assert_eq!(
        missing("staging").unwrap().hint(),
        "there are dev, production"
    );
    // One folder up there is one.
    assert_eq!(missing("production/us"), None);
    let alone = service(&[("src/main.py", ""), ("config/config.json", "{}")]);
    let query = ServiceQuery {
        app: Some(alone.path().to_owned()),
        env: Some("production".to_owned()),
        ..ServiceQuery::default()
    };
    assert_eq!(find_service(&query, &Env::new()).unwrap().missing_env, None);
}

#[test]
fn a_config_that_was_asked_for_tells_where_its_name_is_from() {
    let dir = service(&[("src/main.py", "")]);
    let query = ServiceQuery {
        app: Some(dir.path().to_owned()),
        config: Some(dir.path().join("none.json")),
        ..ServiceQuery::default()
    };
    let message = find_service(&query, &Env::new()).unwrap_err().to_string();
    assert!(
        message.contains("none.json") && message.contains("MICROSERVICE_CONFIG"),
        "{message}"
    );
}

#[test]
fn what_is_missing_is_named() {
    let empty = service(&[("src/other.py", "")]);
    let query = ServiceQuery {
        app: Some(empty.path().to_owned()),
        ..ServiceQuery::default()
    };
    let message = find_service(&query, &Env::new()).unwrap_err().to_string();
    assert!(message.contains("src/main.py"), "{message}");
    let message = find_service(&ServiceQuery::default(), &Env::new())
        .unwrap_err()
        .to_string();
    assert!(message.contains("MICROSERVICE_NAME"), "{message}");
    let query = ServiceQuery {
        name: Some("no-such-service".to_owned()),
        ..ServiceQuery::default()
    };
    let message = find_service(&query, &Env::new()).unwrap_err().to_string();
    assert!(message.contains("/opt/no-such-service"), "{message}");
}
