//! Property tests of quoting: no name, path or option changes the structure of a rendered file.

use std::path::{Path, PathBuf};

use microservice_flask::internals::host::{Venv, VenvOrigin};
use microservice_flask::internals::plan::{Plan, StaticFolder};
use microservice_flask::internals::render;
use microservice_flask::internals::render::quote;
use proptest::prelude::*;

use crate::case;
use crate::nginx_lexer::{self, Directive};

/// The values in the files that users choose.
#[derive(Clone, Debug)]
struct Values {
    name: String,
    root: String,
    runtime: String,
    prefix: String,
    folder: String,
    health: String,
    snippet: String,
    venv: String,
    options: Vec<String>,
}

/// Text with all characters that have a special meaning for nginx, uWSGI, regular expressions or glob patterns.
fn special_text() -> impl Strategy<Value = String> {
    let chars = prop::sample::select(
        r#""'\$;{}#*?[]()%@=~^|&<>!,:.- abn0ß"#
            .chars()
            .chain(['\n', '\t', '\r'])
            .collect::<Vec<_>>(),
    );
    prop::collection::vec(chars, 0..16).prop_map(String::from_iter)
}

fn values(text: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Values> {
    let options = prop::collection::vec(text.clone(), 3);
    let eight = [(); 8].map(|()| text.clone());
    (eight, options).prop_map(
        |([name, root, runtime, prefix, folder, health, snippet, venv], options)| Values {
            name,
            root,
            runtime,
            prefix,
            folder,
            health,
            snippet,
            venv,
            options,
        },
    )
}

fn plan(values: &Values) -> Plan {
    let case = case::golden("everything");
    let (config, mut findings) = case.load();
    let mut plan = case.plan(&config, case.host.as_ref().unwrap(), &mut findings);
    plan.name.clone_from(&values.name);
    plan.root = PathBuf::from(format!("/srv/{}", values.root));
    plan.layout.runtime = PathBuf::from(format!("/run/r{}r", values.runtime));
    plan.statics = vec![StaticFolder {
        prefix: format!("/{}/", values.prefix),
        folder: plan.root.join("src").join(&values.folder),
    }];
    plan.health_check_path = Some(format!("/{}", values.health));
    plan.server_snippets = vec![plan.root.join(&values.snippet)];
    plan.http_snippets = vec![plan.root.join(&values.snippet)];
    plan.venv = Some(Venv {
        path: PathBuf::from(format!("/srv/v{}v", values.venv)),
        python: String::new(),
        origin: VenvOrigin::Service,
        runs: true,
    });
    plan.uwsgi_options = values
        .options
        .iter()
        .map(|value| ("env".to_owned(), value.clone()))
        .collect();
    plan
}

fn plain() -> Values {
    let word = "plain".to_owned();
    Values {
        name: word.clone(),
        root: word.clone(),
        runtime: word.clone(),
        prefix: word.clone(),
        folder: word.clone(),
        health: word.clone(),
        snippet: word.clone(),
        venv: word.clone(),
        options: vec![word; 3],
    }
}

/// A rendered file; none when uWSGI's file cannot represent a value, which the launcher reports as an error.
fn file(plan: &Plan, path: &str) -> Option<String> {
    let files = render::render(plan).ok()?;
    files
        .into_iter()
        .find(|file| file.path == Path::new(path))
        .map(|file| file.text)
}

fn nginx(values: &Values) -> Vec<Directive> {
    let mut plan = plan(values);
    // nginx's file is needed even if uWSGI's cannot be rendered. Only the runtime folder is in both files.
    plan.venv = None;
    plan.uwsgi_options.clear();
    let text = file(&plan, "nginx/nginx.conf").unwrap_or_else(|| {
        plan.layout.runtime = "/run/plain".into();
        file(&plan, "nginx/nginx.conf").unwrap()
    });
    nginx_lexer::directives(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

/// Name, word count and terminator of each directive. The health check path is the key of a map, which looks like a name.
fn nginx_shape(list: &[Directive], values: &Values) -> Vec<(String, usize, char)> {
    let health = quote::regex(&format!("/{}", values.health));
    let health = format!("~^[23][0-9][0-9] (GET|HEAD) {health} HTTP/1\\.[01]$");
    let mut shape = nginx_lexer::shape(list);
    for (name, ..) in &mut shape {
        if *name == health {
            "HEALTH".clone_into(name);
        }
    }
    shape
}

fn value_of<'a>(list: &'a [Directive], name: &str) -> &'a str {
    let directive = list
        .iter()
        .find(|d| d.words.first().is_some_and(|word| word == name))
        .unwrap();
    directive.words.last().unwrap()
}

/// Options of an ini file, parsed as uWSGI does (core/ini.c): key and value.
fn ini(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim);
    let options = lines.filter(|line| !line.is_empty() && !line.starts_with([';', '#', '[']));
    options
        .map(|line| {
            let (key, value) = line.split_once('=').unwrap_or((line, "1"));
            (key.trim().to_owned(), value.trim().to_owned())
        })
        .collect()
}

fn keys(options: &[(String, String)]) -> Vec<&str> {
    options.iter().map(|(key, _)| key.as_str()).collect()
}

fn check_nginx(values: &Values) {
    let list = nginx(values);
    let expected = plain();
    assert_eq!(
        nginx_shape(&list, values),
        nginx_shape(&nginx(&expected), &expected)
    );
    // The values are unchanged.
    let folder = plan(values).statics[0].folder.display().to_string();
    assert_eq!(
        value_of(&list, "alias").replace("${dollar}", "$"),
        format!("{folder}/")
    );
}

fn check_uwsgi(values: &Values) {
    let mut plan = plan(values);
    let Some(text) = file(&plan, "uwsgi/uwsgi.ini") else {
        return;
    };
    let got = ini(&text);
    plan.uwsgi_options.clear();
    let expected = ini(&file(&self::plan(&plain()), "uwsgi/uwsgi.ini").unwrap());
    assert_eq!(keys(&got), keys(&expected));
    let added: Vec<&str> = got
        .iter()
        .filter(|(key, _)| key == "env")
        .map(|(_, value)| value.as_str())
        .collect();
    for (value, wanted) in added.iter().zip(&values.options) {
        assert_eq!(value.replace("%%", "%"), wanted.trim());
    }
    for (key, value) in &got {
        // Only the template itself contains a placeholder.
        let placeholder = ["$(", "@(", "%("].iter().any(|mark| value.contains(mark));
        assert_eq!(placeholder, key == "http-socket", "{key} = {value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nginx_conf_keeps_its_structure(values in values(special_text().boxed())) {
        check_nginx(&values);
    }

    #[test]
    fn nginx_conf_keeps_its_structure_with_any_text(values in values(any::<String>().boxed())) {
        check_nginx(&values);
    }

    #[test]
    fn uwsgi_ini_keeps_its_keys(values in values(special_text().prop_map(|s| s.replace(['\n', '\r', '\t'], "")).boxed())) {
        check_uwsgi(&values);
    }

    #[test]
    fn uwsgi_ini_keeps_its_keys_with_any_text(values in values(any::<String>().boxed())) {
        check_uwsgi(&values);
    }
}
