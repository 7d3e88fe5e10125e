//! The service's own uWSGI options: whether this uWSGI knows them, and what those mean that change how the launcher treats
//! it.

use crate::config::Config;
use crate::config::near_miss::did_you_mean;
use crate::config::problem::{Findings, pointer};
use crate::host::Host;

/// Names and values as they stand in the plan.
type Options = [(String, String)];

/// Whether each process imports the application itself, also one that is started long after the others.
pub(crate) fn import_in_each_process(options: &Options) -> bool {
    // Of several values the last one holds.
    let mut values = options.iter().rev().filter(|(name, _)| name == "lazy-apps");
    values.next().is_some_and(|(_, value)| is_true(value))
}

/// Whether uWSGI has mules: processes of its own beside those that serve.
pub(crate) fn have_mules(options: &Options) -> bool {
    let mut names = options.iter().map(|(name, _)| name.as_str());
    names.any(|name| matches!(name, "mule" | "mules" | "farm"))
}

/// How uWSGI reads the value of a switch (uwsgi_opt_true in core/uwsgi.c).
fn is_true(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    !matches!(value.as_str(), "false" | "off" | "no" | "0")
}

/// Reports unknown uWSGI options. uWSGI itself (`strict`) reports one only when the start fails.
pub(super) fn check(config: &Config, host: &Host, findings: &mut Findings) {
    let Some(known) = &host.uwsgi_options else {
        return;
    };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut reported: Vec<&str> = Vec::new();
    for (name, _) in &config.uwsgi_options {
        if known.contains(&name.as_str()) || reported.contains(&name.as_str()) {
            continue;
        }
        reported.push(name);
        let dashed = name.replace('_', "-");
        let hint = if known.contains(&dashed.as_str()) {
            Some(format!("did you mean {dashed:?}?"))
        } else {
            did_you_mean(name, &known)
        };
        findings.problem(
            pointer("/uwsgi_config", name),
            format!("this uWSGI knows no option {name:?}"),
            hint.unwrap_or_else(|| "uwsgi --help lists them".to_owned()),
        );
    }
}
