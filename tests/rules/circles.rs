//! No circles between files, inside folders too.
//!
//! A file imports each file that its paths name. Where a mod.rs re-exports an item, whoever names the item there
//! imports the mod.rs, and the mod.rs imports the file below it. So a folder whose files take items from their mod.rs
//! cannot have a mod.rs that takes items from them: shared items get a file of their own. `mod x;` is no import.

use std::collections::BTreeMap;

use crate::graph::{self, Graph};
use crate::report::Report;
use crate::rust_code::{Source, sources};
use crate::tree::{Path, Tree};

fn circles(sources: &[Source]) -> Report {
    let tree = Tree::of(sources);
    let mut graph = Graph::new();
    let mut first: BTreeMap<(&str, &str), (&Source, &Path)> = BTreeMap::new();
    for (source, paths) in tree.files() {
        let imported = graph.entry(source.path.clone()).or_default();
        for path in paths {
            let Some(target) = tree.target(path) else {
                continue;
            };
            if target.path != source.path {
                imported.insert(target.path.clone());
                first
                    .entry((&source.path, &target.path))
                    .or_insert((source, path));
            }
        }
    }
    let mut report = Report::default();
    for knot in graph::knots(&graph) {
        let mut lines = vec![format!(
            "files import each other in a circle: {}",
            knot.spelled()
        )];
        let steps = knot.circle.windows(2);
        let imports = steps.filter_map(|step| first.get(&(step[0].as_str(), step[1].as_str())));
        lines.extend(
            imports.map(|(source, path)| {
                format!("{} imports {}", source.place(path.at), path.spelled())
            }),
        );
        let others: Vec<&str> = knot
            .names
            .iter()
            .filter(|name| !knot.circle.contains(name))
            .map(String::as_str)
            .collect();
        if !others.is_empty() {
            lines.push(format!("other circles pass through {}", others.join(", ")));
        }
        report.add(knot.spelled(), lines.join("\n    "));
    }
    report
}

#[test]
fn files_import_each_other_in_one_direction() {
    circles(sources()).enforce();
}

#[test]
fn trial() {
    let check = |files: &[(&str, &str)], expected: &[&str]| {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, code)| Source::new(path, code))
            .collect();
        assert_eq!(circles(&sources).messages(), expected, "{files:?}");
    };
    // A folder whose mod.rs re-exports what its files define.
    check(
        &[
            (
                "a/mod.rs",
                "mod b; mod c; pub use b::B; pub use self::c::C;",
            ),
            ("a/b.rs", "pub struct B; use super::c::C;"),
            (
                "a/c.rs",
                "pub struct C;\n#[cfg(test)]\nmod tests { use crate::a::B; }",
            ),
            ("d.rs", "use crate::a::C;"),
        ],
        &[],
    );
    // The same, where a file takes an item by way of the mod.rs that re-exports from it.
    check(
        &[
            (
                "a/mod.rs",
                "mod b; mod c;\npub use b::B;\npub use self::c::C;",
            ),
            ("a/b.rs", "pub struct B;\nuse super::C;"),
            ("a/c.rs", "pub struct C;"),
        ],
        &[
            "files import each other in a circle: a/b.rs -> a/mod.rs -> a/b.rs\
           \n    src/a/b.rs:2 imports crate::a::C\
           \n    src/a/mod.rs:2 imports crate::a::b::B",
        ],
    );
    // Declaring a module imports nothing.
    check(
        &[
            ("a/mod.rs", "pub mod b; pub struct X;"),
            ("a/b.rs", "use super::X;"),
        ],
        &[],
    );
    check(
        &[
            ("a.rs", "fn f() {\n    crate::b::c::g()\n}"),
            ("b/mod.rs", ""),
            ("b/c.rs", "use crate::{d, e};"),
            ("d.rs", "fn h() { crate::a::f(); }"),
            ("e.rs", "use crate::d;\nuse crate::b::c::X;"),
        ],
        &[
            "files import each other in a circle: b/c.rs -> e.rs -> b/c.rs\
           \n    src/b/c.rs:1 imports crate::e\
           \n    src/e.rs:2 imports crate::b::c::X\
           \n    other circles pass through a.rs, d.rs",
        ],
    );
}
