//! config.json: every finding has a place, a duplicate key is always found, and a configuration without problems
//! satisfies the schema and becomes files with the structure that the templates give them.

use std::path::{Path, PathBuf};

use microservice_flask::internals::config;
use microservice_flask::internals::config::problem::{Findings, pointer};
use microservice_flask::internals::host::Host;
use microservice_flask::internals::plan::layout::Layout;
use microservice_flask::internals::plan::{self, Plan, PlanInput, explain};
use microservice_flask::internals::render;
use serde_json::Value;

#[path = "../../../tests/rules/nginx_lexer.rs"]
mod nginx_lexer;
mod schema;

use self::nginx_lexer::Directive;

/// Hosts with everything, without root, and with another uWSGI.
const HOSTS: [&str; 3] = [
    include_str!("../../../tests/golden/everything/machine.json"),
    include_str!("../../../tests/golden/not-root/machine.json"),
    include_str!("../../../tests/golden/pypi-uwsgi/machine.json"),
];

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        // It is refused when the file is read.
        return;
    };
    let (config, findings) = config::load(Some("config.json".into()), Some(text));
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    printed(&findings);
    placed(&findings, &document);
    assert!(document.is_object() || findings.has_problems());
    if let Value::Object(object) = &document
        && let Some(key) = object.keys().next()
    {
        duplicated(text, key);
    }
    if findings.has_problems() {
        return;
    }
    schema::check(&document);
    for host in HOSTS {
        let host: Host = serde_json::from_str(host).expect("a host");
        let mut findings = findings.clone();
        let input = PlanInput {
            name: "service".to_owned(),
            root: "/srv/service".into(),
            listen: vec![([0, 0, 0, 0], 8080).into()],
            layout: Layout {
                canary: false,
                runtime: "/run/microservice-flask".into(),
                generation: 1,
            },
            allow_root: false,
        };
        let plan = plan::plan(input, &config, &host, &mut findings);
        printed(&findings);
        let explained = explain::text(&explain::explain(&plan, &config, &host));
        assert!(!explained.contains(|c: char| c.is_control() && c != '\n'));
        if !findings.has_problems() {
            nginx(&plan);
            uwsgi(&plan);
        }
    }
}

/// No value forges a line of output.
fn printed(findings: &Findings) {
    for finding in &findings.list {
        let at = &finding.at;
        assert!(at.is_empty() || at.starts_with(['/', '$']), "{at}");
        assert!(!finding.what.is_empty());
        let text = findings.show(finding);
        assert_eq!(
            text.lines().count(),
            2 + usize::from(!finding.hint.is_empty())
        );
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    }
}

/// Each place exists, unless a duplicate has hidden it.
fn placed(findings: &Findings, document: &Value) {
    let mut list = findings.list.iter();
    if list.any(|finding| finding.what.contains("stands twice")) {
        return;
    }
    for finding in &findings.list {
        assert!(document.pointer(&finding.at).is_some(), "{}", finding.at);
    }
}

/// The text is an object with this key.
fn duplicated(text: &str, key: &str) {
    let (_, rest) = text.split_once('{').expect("an object");
    let text = format!("{{{}: null, {rest}", Value::from(key));
    let (_, findings) = config::load(None, Some(&text));
    let at = pointer("", key);
    assert!(
        findings.problems().any(|problem| problem.at == at),
        "{text}"
    );
}

fn file(plan: &Plan, path: &str) -> String {
    let files = render::render(plan).expect("files");
    let file = files.into_iter().find(|file| file.path == Path::new(path));
    file.expect("the file").text
}

fn directives(plan: &Plan) -> Vec<Directive> {
    let text = file(plan, "nginx/nginx.conf");
    nginx_lexer::directives(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

/// Name, word count and end of each directive; entries of maps have no names but values.
fn shape(list: &[Directive]) -> Vec<(String, usize, char)> {
    let mut shape = nginx_lexer::shape(list);
    let mut in_map = false;
    for (name, _, end) in &mut shape {
        match *end {
            '{' => in_map = matches!(name.as_str(), "map" | "geo"),
            '}' => in_map = false,
            _ if in_map => name.clear(),
            _ => {}
        }
    }
    shape
}

/// What a configuration names has no influence on the structure, and arrives as it is.
fn nginx(plan: &Plan) {
    let list = directives(plan);
    let mut bare = plan.clone();
    for (index, folder) in bare.statics.iter_mut().enumerate() {
        folder.prefix = format!("/plain{index}/");
        folder.folder = PathBuf::from(format!("/plain{index}"));
    }
    if let Some(path) = &mut bare.health_check_path {
        "/plain".clone_into(path);
    }
    assert_eq!(shape(&list), shape(&directives(&bare)));
    let aliases = list
        .iter()
        .filter(|directive| directive.words.first().is_some_and(|name| name == "alias"));
    let aliases: Vec<String> = aliases
        .map(|alias| alias.words[1].replace("${dollar}", "$"))
        .collect();
    let folders = plan
        .statics
        .iter()
        .map(|folder| format!("{}/", folder.folder.display()));
    assert_eq!(aliases, folders.collect::<Vec<_>>());
}

/// Options as uWSGI reads them (core/ini.c).
fn options(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with([';', '#', '[']));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap_or((line, "1"));
            (name.trim().to_owned(), value.trim().to_owned())
        })
        .collect()
}

/// The service's options come as they are, and nothing else comes with them.
fn uwsgi(plan: &Plan) {
    let mut seen = options(&file(plan, "uwsgi/uwsgi.ini"));
    let mut bare = plan.clone();
    bare.uwsgi_options.clear();
    for option in options(&file(&bare, "uwsgi/uwsgi.ini")) {
        let at = seen.iter().position(|other| *other == option);
        seen.remove(at.unwrap_or_else(|| panic!("{option:?} is missing")));
    }
    for (_, value) in &mut seen {
        assert!(!["$(", "@(", "%("].iter().any(|mark| value.contains(mark)));
        *value = value.replace("%%", "%");
    }
    let expected = plan.uwsgi_options.iter();
    let expected = expected.map(|(name, value)| (name.clone(), value.trim().to_owned()));
    assert_eq!(seen, expected.collect::<Vec<_>>());
}
