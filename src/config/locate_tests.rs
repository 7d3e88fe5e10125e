//! Tests of the search rules on small trees of files.

use super::*;

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
