//! Who may import whom: every import is one that the table in src/lib.rs allows.

use crate::report::Report;
use crate::rust_code::{Source, sources};
use crate::table::{self, row};
use crate::tree::Tree;

fn imports_that_the_table_forbids(sources: &[Source]) -> Report {
    let rows = table::rows(sources);
    let tree = Tree::of(sources);
    let mut report = Report::default();
    for (source, paths) in tree.files() {
        let module = source.module().join("/");
        if module.is_empty() {
            continue;
        }
        let Some(row) = row(&rows, &module) else {
            report.add(
                source.path.clone(),
                format!(
                    "src/{}: the table in src/lib.rs has no row for it",
                    source.path
                ),
            );
            continue;
        };
        for path in paths {
            let Some(target) = tree.target(path) else {
                continue;
            };
            let import = path.names[1..].join("/");
            if !row.allows(&import) {
                report.add(
                    format!("{} imports {}", source.path, target.path),
                    format!(
                        "{}: `{}` may not import {}; it may import: {}",
                        source.place(path.at),
                        row.module,
                        path.spelled(),
                        row.allowed()
                    ),
                );
            }
        }
    }
    report
}

/// A reader sees at once that an import leaves the folder.
fn imports_that_reach_the_crate_by_super(sources: &[Source]) -> Report {
    let mut report = Report::default();
    for source in sources {
        let root = "super::".repeat(source.module().len());
        if root.is_empty() {
            continue;
        }
        for at in source.find(&root) {
            report.add(
                source.path.clone(),
                format!("{}: {root} is spelled crate::", source.place(at)),
            );
        }
    }
    report
}

#[test]
fn modules_import_what_the_table_allows() {
    imports_that_the_table_forbids(sources()).enforce();
}

#[test]
fn imports_of_other_modules_are_spelled_from_the_crate() {
    imports_that_reach_the_crate_by_super(sources()).enforce();
}

#[test]
fn trial_of_the_table() {
    let check = |path: &str, code: &str, expected: &[&str]| {
        let mut sources = vec![table::lib(&[
            "`run` | everything",
            "`plan` | `sys`, `work/child`",
            "`work` | `sys`",
            "`work/core` | `work/child`",
            "`work/child`, `sys` | nothing of ours",
        ])];
        let files = [
            "run.rs",
            "plan/mod.rs",
            "sys.rs",
            "work/mod.rs",
            "work/child.rs",
            "work/core/mod.rs",
        ];
        sources.extend(
            files
                .iter()
                .filter(|file| **file != path)
                .map(|file| Source::new(file, "")),
        );
        sources.push(Source::new(path, code));
        assert_eq!(
            imports_that_the_table_forbids(&sources).messages(),
            expected,
            "{path}: {code}"
        );
    };
    check("run.rs", "use crate::{plan, work::core::X};", &[]);
    check(
        "other.rs",
        "",
        &["src/other.rs: the table in src/lib.rs has no row for it"],
    );
    check(
        "plan/mod.rs",
        "use crate::sys::X; use std::fs; use crate::plan::Y;",
        &[],
    );
    check(
        "plan/a.rs",
        "use crate::{\n    work::{child::X, Y},\n};\nfn f() { crate::run::g() }",
        &[
            "src/plan/a.rs:2: `plan` may not import crate::work::Y; it may import: sys, work/child",
            "src/plan/a.rs:4: `plan` may not import crate::run::g; it may import: sys, work/child",
        ],
    );
    check("work/mod.rs", "use self::core::X; use crate::sys;", &[]);
    check(
        "work/core/a.rs",
        "use super::X; use crate::work::child::Y;",
        &[],
    );
    check(
        "work/core/mod.rs",
        "use super::other::X; use crate::sys;",
        &[
            "src/work/core/mod.rs:1: `work/core` may not import crate::work::other::X; \
             it may import: work/child",
            "src/work/core/mod.rs:1: `work/core` may not import crate::sys; \
             it may import: work/child",
        ],
    );
    check(
        "work/child.rs",
        "use crate::sys; mod tests { }\n#[cfg(test)]\nmod t { use crate::run; }",
        &[
            "src/work/child.rs:1: `work/child` may not import crate::sys; \
             it may import: nothing of ours",
        ],
    );
}

#[test]
fn trial_of_the_spelling() {
    let check = |path: &str, code: &str, expected: &[&str]| {
        let sources = [Source::new(path, code)];
        assert_eq!(
            imports_that_reach_the_crate_by_super(&sources).messages(),
            expected
        );
    };
    check("a/mod.rs", "use self::b::X;", &[]);
    check(
        "a/mod.rs",
        "\nuse super::c::X;",
        &["src/a/mod.rs:2: super:: is spelled crate::"],
    );
    check("a/b.rs", "use super::c::X;", &[]);
    check(
        "a/b.rs",
        "use super::super::X;",
        &["src/a/b.rs:1: super::super:: is spelled crate::"],
    );
}
