//! What the pure core may not touch: it takes values and gives values.
//!
//! To make a file pure, name it in [`PURE`]. A pure file has no effect, and imports only pure files of ours.

use crate::effects;
use crate::report::Report;
use crate::rust_code::{Source, sources};
use crate::tree::{Path, Tree};

/// Pure folders (with `/`) and files below `src`, and the files in a folder that are not.
const PURE: &[(&str, &[&str])] = &[
    (
        "client/top/",
        &[
            "client/top/mod.rs",
            "client/top/orders.rs",
            "client/top/session.rs",
        ],
    ),
    ("client/trust.rs", &[]),
    ("config/", &["config/locate.rs", "config/missing_env.rs"]),
    ("control/callers.rs", &[]),
    ("control/outline.rs", &[]),
    ("page/", &[]),
    ("plan/", &[]),
    ("render/", &[]),
    ("programs/nginx/disk_fill.rs", &[]),
    ("programs/nginx/slow_senders.rs", &[]),
    ("programs/uwsgi/progress.rs", &[]),
    ("programs/uwsgi/worker.rs", &[]),
    ("queue/waits.rs", &[]),
    ("reload_answer.rs", &[]),
    (
        "stacks/",
        &[
            "stacks/ask.rs",
            "stacks/mod.rs",
            "stacks/read.rs",
            "stacks/sample.rs",
        ],
    ),
    ("status/", &[]),
    ("supervise/in_flight.rs", &[]),
    ("supervise/machine/", &[]),
    ("supervise/run/report.rs", &[]),
    ("supervise/uptime.rs", &[]),
    ("supervise/worker_exits.rs", &[]),
    ("telemetry/compose.rs", &[]),
    ("telemetry/happenings.rs", &[]),
    ("telemetry/spread.rs", &[]),
    ("telemetry/traffic.rs", &[]),
    ("telemetry/window.rs", &[]),
    ("logs/lines/", &[]),
    ("logs/observed.rs", &[]),
    ("logs/options.rs", &[]),
    ("logs/queue/", &[]),
    ("logs/record.rs", &[]),
    ("logs/writing/", &[]),
];

/// Plain values that are defined beside effects: the pure files that may use them, and the type or function.
///
/// An entry for a type covers its variants and constants, not its functions: `Pid` does not allow `Pid::this`.
const VALUES: &[(&str, &str)] = &[
    ("plan/", "crate::host::Host"),
    ("plan/", "crate::host::snippets::UwsgiDirective"),
    ("plan/", "crate::host::snippets::MAX_SNIPPETS"),
    ("plan/", "crate::host::snippets::MAX_TOTAL"),
    ("plan/", "crate::host::user::User"),
    ("plan/", "crate::host::programs::Nginx"),
    ("plan/", "crate::host::programs::Python"),
    ("plan/", "crate::host::programs::Uwsgi"),
    ("plan/", "crate::host::environment::Environment"),
    ("plan/", "crate::host::home::Home"),
    ("plan/", "crate::host::sandbox::NamedPath"),
    ("plan/", "crate::host::sandbox::SandboxHost"),
    ("plan/", "crate::host::sandbox::Support"),
    ("plan/", "crate::host::venv::Venv"),
    ("plan/", "crate::host::venv::VenvOrigin"),
    ("render/", "crate::host::programs::Version"),
    (
        "programs/nginx/slow_senders.rs",
        "crate::sys::sock_diag::tcp::TcpConnection",
    ),
    ("supervise/machine/", "crate::sys::process::SpawnFailure"),
    ("supervise/machine/", "crate::sys::reap::Exit"),
    ("supervise/machine/", "nix::unistd::Pid"),
    ("supervise/run/report.rs", "nix::unistd::Pid::as_raw"),
];

type Pure<'a> = &'a [(&'a str, &'a [&'a str])];
type Values<'a> = &'a [(&'a str, &'a str)];

fn is_pure(pure: Pure, path: &str) -> bool {
    pure.iter()
        .any(|(place, but)| is_at(path, place) && !but.contains(&path))
}

/// Whether a file is this one or in this folder.
fn is_at(path: &str, place: &str) -> bool {
    path == place || place.ends_with('/') && path.starts_with(place)
}

/// Whether a path names this item, or a variant or constant of it.
fn is_value(path: &Path, item: &str) -> bool {
    let below = &path.names[item.split("::").count().min(path.names.len())..];
    path.is_in(item)
        && below
            .iter()
            .all(|name| name.starts_with(char::is_uppercase))
}

fn impurities(sources: &[Source], pure: Pure, values: Values) -> Report {
    let tree = Tree::of(sources);
    let mut report = Report::default();
    let mut used = Vec::new();
    for (source, paths) in tree
        .files()
        .filter(|(source, _)| is_pure(pure, &source.path))
    {
        for (at, call) in effects::calls(source) {
            report.add(
                format!("{}: {call}", source.path),
                format!("{}: {call} in a pure file", source.place(at)),
            );
        }
        for path in paths {
            let Some((what, rule)) = impurity(&tree, pure, path) else {
                continue;
            };
            let value = values
                .iter()
                .find(|(place, item)| is_at(&source.path, place) && is_value(path, item));
            if let Some(value) = value {
                used.push(value);
            } else {
                report.add(
                    format!("{}: {what}", source.path),
                    format!(
                        "{}: {} in a pure file: {rule}",
                        source.place(path.at),
                        path.spelled()
                    ),
                );
            }
        }
    }
    for value in values.iter().filter(|value| !used.contains(value)) {
        let (place, item) = value;
        report.add(
            format!("{place}: {item}"),
            format!("VALUES: {place} does not import {item}: remove the entry"),
        );
    }
    for (place, but) in pure {
        for place in but.iter().chain([place]) {
            if !sources.iter().any(|source| is_at(&source.path, place)) {
                report.add(
                    (*place).to_owned(),
                    format!("PURE: there is no src/{place}"),
                );
            }
        }
    }
    report
}

/// What makes a path impure, for the key, and in words.
fn impurity(tree: &Tree, pure: Pure, path: &Path) -> Option<(String, String)> {
    if let Some(target) = tree.target(path) {
        let file = &target.path;
        let rule = format!("src/{file} is not in PURE, the item not in VALUES");
        return (!is_pure(pure, file)).then(|| (file.clone(), rule));
    }
    let effect = effects::of(path)?;
    Some((effect.to_owned(), format!("{effect} has effects")))
}

#[test]
fn the_core_is_pure() {
    impurities(sources(), PURE, VALUES).enforce();
}

#[test]
fn trial() {
    let check = |values: Values, pure: Pure, code: &str, expected: &[&str]| {
        let sources = [
            Source::new("core/mod.rs", code),
            Source::new("core/load.rs", "use std::fs;"),
            Source::new(
                "sys/reap.rs",
                "use nix::sys::wait; pub enum Exit { Code(i32) }",
            ),
        ];
        assert_eq!(
            impurities(&sources, pure, values).messages(),
            expected,
            "{code}"
        );
    };
    let pure: Pure = &[("core/", &["core/load.rs"])];
    let harmless = "use std::time::Instant; use std::net::IpAddr; \
     fn f() { \"std::fs\"; x.exists(y); mynix::a() }\n\
      #[cfg(test)]\nmod t { use std::fs; }";
    check(&[], pure, harmless, &[]);
    check(
        &[],
        pure,
        "use std::fs::File;\nmod load;\nuse load::Config;\nuse crate::sys::reap::{Exit};",
        &[
            "src/core/mod.rs:1: std::fs::File in a pure file: std::fs has effects",
            "src/core/mod.rs:3: crate::core::load::Config in a pure file: \
             src/core/load.rs is not in PURE, the item not in VALUES",
            "src/core/mod.rs:4: crate::sys::reap::Exit in a pure file: \
             src/sys/reap.rs is not in PURE, the item not in VALUES",
        ],
    );
    let values: Values = &[
        ("core/", "crate::sys::reap::Exit"),
        ("core/", "nix::unistd::Pid"),
    ];
    check(
        values,
        pure,
        "use nix::unistd::Pid; use crate::sys::reap::Exit; fn f() { Exit::Code(1); }",
        &[],
    );
    check(
        values,
        pure,
        "use nix::unistd::{Pid};\nfn f() { Pid::this() }",
        &[
            "src/core/mod.rs:2: nix::unistd::Pid::this in a pure file: nix has effects",
            "VALUES: core/ does not import crate::sys::reap::Exit: remove the entry",
        ],
    );
    check(
        &[],
        &[
            ("core/", &["core/load.rs", "core/gone.rs"]),
            ("status.rs", &[]),
        ],
        "",
        &[
            "PURE: there is no src/core/gone.rs",
            "PURE: there is no src/status.rs",
        ],
    );
}
