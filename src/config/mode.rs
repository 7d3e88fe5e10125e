//! Environments that are production by their name must not end in development because a key or a file is missing.

use super::Config;
use super::env_folders::first_part;
use super::problem::Findings;

/// Environments that others than the developer use.
const PRODUCTION: [&str; 4] = ["live", "prod", "production", "staging"];

/// Whether an environment, such as `production/eu`, is meant for production by its name.
fn is_production(env: &str) -> bool {
    let name = first_part(env).unwrap_or_default().trim();
    PRODUCTION
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Adds a problem when nothing but the default decides for development, in an environment that is production by its
/// name. `config_path`: where config.json was looked for.
pub(crate) fn require_for_production(
    config: &Config,
    env: Option<&str>,
    config_path: &str,
    findings: &mut Findings,
) {
    let Some(env) = env.filter(|env| is_production(env)) else {
        return;
    };
    // A value of a wrong kind has a problem of its own.
    let is_set = |at: &str| findings.list.iter().any(|finding| finding.at == at);
    if config.use_nginx.is_some() || is_set("/use_nginx") || is_set("/use_apache") {
        return;
    }
    let why = match (&config.file, config_path) {
        (Some(_), _) => "the key use_nginx is missing".to_owned(),
        (None, "") => "there is no config.json, and no folder to look for one".to_owned(),
        (None, folders) => format!("there is no config.json in {folders}"),
    };
    findings.problem(
        "/use_nginx",
        format!("the environment {env:?} would run in development, under flask: {why}"),
        "set \"use_nginx\": true for production, or false if development is meant; `run` also takes --production and --dev",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(env: Option<&str>, text: Option<&str>, problem: Option<&str>) {
        let (config, mut findings) =
            crate::config::load(text.map(|_| "/opt/x/config/config.json".into()), text);
        let before = findings.list.len();
        require_for_production(&config, env, "/opt/x/config", &mut findings);
        let added: Vec<&str> = findings.list[before..]
            .iter()
            .map(|finding| finding.what.as_str())
            .collect();
        match problem {
            None => assert!(added.is_empty(), "{added:?}"),
            Some(part) => assert!(added.len() == 1 && added[0].contains(part), "{added:?}"),
        }
    }

    #[test]
    fn names_of_production_need_the_key() {
        let missing = Some("use_nginx is missing");
        for env in [
            "prod",
            "production",
            "live",
            "staging",
            "Production",
            "PROD/eu",
            "/live",
        ] {
            check(Some(env), Some("{}"), missing);
            check(Some(env), None, Some("no config.json in /opt/x/config"));
            check(Some(env), Some(r#"{"use_nginx": true}"#), None);
            check(Some(env), Some(r#"{"use_nginx": false}"#), None);
            check(Some(env), Some(r#"{"use_apache": false}"#), None);
        }
    }

    #[test]
    fn other_names_do_not() {
        for env in ["dev", "test", "products", "eu/production", "", "/"] {
            check(Some(env), Some("{}"), None);
        }
        check(None, None, None);
    }

    #[test]
    fn a_value_of_a_wrong_kind_is_one_problem() {
        check(Some("production"), Some(r#"{"use_nginx": "yes"}"#), None);
    }
}
