//! Layouts of configuration folders, and the environments that have none in them.

use super::*;

/// A folder with these folders and files; a folder ends with a slash.
fn config(paths: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in paths {
        let full = dir.path().join(path);
        if path.ends_with('/') {
            std::fs::create_dir_all(full).unwrap();
        } else {
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, "{}").unwrap();
        }
    }
    dir
}

fn missing(paths: &[&str], env: &str, app_id: &str) -> Option<MissingEnv> {
    find(&[config(paths).path().to_owned()], env, app_id)
}

/// The beginning of the hint, and whether it is a problem.
#[track_caller]
fn check(paths: &[&str], env: &str, app_id: &str, expected: Option<(&str, bool)>) {
    let found = missing(paths, env, app_id);
    let found = found.map(|it| (it.hint(), it.is_certain));
    match (&found, expected) {
        (None, None) => {}
        (Some((hint, certain)), Some((start, expected))) => {
            assert!(
                hint.starts_with(&format!("{start};")) && *certain == expected,
                "{found:?}"
            );
        }
        _ => panic!("{found:?}"),
    }
}

const USUAL_LAYOUT: [&str; 3] = [
    "config.json",
    "production/eu/config.json",
    "dev/config.json",
];

#[test]
fn a_misspelt_environment_is_noticed() {
    let found = missing(&USUAL_LAYOUT, "prodction", "").unwrap();
    assert!(found.what().contains("\"prodction\""), "{}", found.what());
    assert!(found.what().ends_with("/prodction"), "{}", found.what());
    let meant = "did you mean \"production\"? there are dev, production";
    for env in ["prodction", "prod", "Production", "prodction/eu"] {
        check(&USUAL_LAYOUT, env, "", Some((meant, true)));
    }
    let there = Some(("there are dev, production", true));
    check(&USUAL_LAYOUT, "staging", "", there);
    let only = Some(("did you mean \"prod\"? there is prod", true));
    check(&["prod/config.json"], "production", "", only);
    check(&["config.json", "prod/"], "production", "", only);
}

#[test]
fn a_parent_or_a_deeper_folder_is_one() {
    for env in ["production/us", "production", "./production", "dev/"] {
        check(&USUAL_LAYOUT, env, "", None);
    }
    check(
        &["x/production/", "dev/config.json"],
        "production",
        "x",
        None,
    );
    // It has no values of its own.
    check(&["production/", "dev/config.json"], "production", "", None);
}

#[test]
fn one_configuration_for_all_environments_is_no_mistake() {
    check(&["config.json"], "production", "", None);
    check(&[], "production", "", None);
    let other = ["config.json", "certificates/ca.pem", "locale/de/a.json"];
    check(&other, "production", "", None);
    // The library merges config/local over every environment.
    check(
        &["config.json", "local/config.json"],
        "production",
        "",
        None,
    );
    check(&["config.json", "lost+found/"], "production", "", None);
    // As Kubernetes mounts a ConfigMap.
    let mounted = ["config.json", "..2026_11_27/config.json"];
    check(&mounted, "production", "", None);
}

#[test]
fn folders_of_application_ids_are_no_environments() {
    check(
        &["config.json", "shop/config.json"],
        "production",
        "shop",
        None,
    );
    check(&["a/b/config.json"], "production", "a/b", None);
    // Perhaps the folder of another application.
    let other = ["config.json", "shop/config.json"];
    let told = Some(("there is shop", false));
    check(&other, "production", "blog", told);
    let sure = Some(("did you mean \"prod\"? there are prod, shop", true));
    let both = ["prod/config.json", "shop/config.json"];
    check(&both, "production", "blog", sure);
}

#[test]
fn the_folder_of_the_image_counts_too() {
    let own = config(&["dev/config.json"]);
    let image = config(&["production/config.json", "dev/"]);
    let bases = [own.path().to_owned(), image.path().to_owned()];
    assert_eq!(find(&bases, "production", ""), None);
    let found = find(&bases, "staging", "").unwrap();
    assert_eq!(found.existing, ["dev", "production"]);
    assert_eq!(found.looked_for, own.path().join("staging"));
}
