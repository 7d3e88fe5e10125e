//! The table of "Who may import whom" in the doc comment of src/lib.rs.
//!
//! A row names modules, or paths such as `supervise/machine`; for a file the longest one counts that it is in. What is
//! below a row may always import what is below that row.

use crate::graph::{self, Graph};
use crate::report::Report;
use crate::rust_code::Source;
use crate::tree::Tree;

pub(crate) struct Row {
    pub(crate) module: String,
    allowed: Allowed,
}

enum Allowed {
    Everything,
    These(Vec<String>),
}

impl Row {
    /// Whether a file of this row may import a module or item, named like `sys/reap/Exit`.
    pub(crate) fn allows(&self, import: &str) -> bool {
        let mut allowed = match &self.allowed {
            Allowed::Everything => return true,
            Allowed::These(list) => list.iter().chain([&self.module]),
        };
        allowed.any(|path| is_in(import, path))
    }

    pub(crate) fn allowed(&self) -> String {
        match &self.allowed {
            Allowed::Everything => "everything".into(),
            Allowed::These(list) if list.is_empty() => "nothing of ours".into(),
            Allowed::These(list) => list.join(", "),
        }
    }

    fn named(&self) -> &[String] {
        match &self.allowed {
            Allowed::Everything => &[],
            Allowed::These(list) => list,
        }
    }
}

/// Whether a path with `/` is the other or below it.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The rows of the table, in their order.
pub(crate) fn rows(sources: &[Source]) -> Vec<Row> {
    let text = sources
        .iter()
        .find(|source| source.path == "lib.rs")
        .map_or("", |source| source.raw.as_str());
    let section = text
        .lines()
        .skip_while(|line| !line.contains("# Who may import whom"))
        .skip(1)
        .take_while(|line| line.starts_with("//!") && !line.starts_with("//! # "));
    let mut rows = Vec::new();
    for line in section {
        let line = line.trim_start_matches("//!").trim().trim_matches('|');
        let Some((modules, imports)) = line.split_once(" | ") else {
            continue;
        };
        rows.extend(in_backticks(modules).map(|module| Row {
            module: module.to_owned(),
            allowed: match imports.trim() {
                "everything" => Allowed::Everything,
                list => Allowed::These(in_backticks(list).map(str::to_owned).collect()),
            },
        }));
    }
    rows
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The row for a module, a file or an item: the longest that it is in.
pub(crate) fn row<'a>(rows: &'a [Row], path: &str) -> Option<&'a Row> {
    rows.iter()
        .filter(|row| is_in(path, &row.module))
        .max_by_key(|row| row.module.len())
}

/// Names of no module, two rows for one, and circles between rows.
fn faults(sources: &[Source]) -> Report {
    let tree = Tree::of(sources);
    let rows = rows(sources);
    let mut report = Report::default();
    if rows.is_empty() {
        report.add(
            "no table".into(),
            "src/lib.rs: no table of who may import whom".into(),
        );
    }
    for (index, row) in rows.iter().enumerate() {
        if rows[..index].iter().any(|other| other.module == row.module) {
            report.add(
                format!("two rows: {}", row.module),
                format!("src/lib.rs: the table has two rows for `{}`", row.module),
            );
        }
        for name in row.named().iter().chain([&row.module]) {
            let names: Vec<String> = name.split('/').map(str::to_owned).collect();
            if !tree.has_module(&names) {
                report.add(
                    format!("no module: {name}"),
                    format!("src/lib.rs: the table names `{name}`, which is no module"),
                );
            }
        }
    }
    for knot in graph::knots(&between_rows(&rows)) {
        let circle = knot.spelled();
        report.add(
            circle.clone(),
            format!(
                "src/lib.rs: the rows of the table form a circle: {circle}; \
                 a file that both sides need can have a row of its own"
            ),
        );
    }
    report
}

/// Which rows a row may import from; a folder may import what is below it.
fn between_rows(rows: &[Row]) -> Graph {
    let target = |name: &String| row(rows, name).map(|row| &row.module);
    rows.iter()
        .map(|from| {
            let named = from.named().iter().filter_map(target);
            let below = rows.iter().map(|to| &to.module).filter(|to| {
                matches!(from.allowed, Allowed::Everything)
                    || is_in(to, &from.module)
                    || from.named().iter().any(|name| is_in(to, name))
            });
            let all = named.chain(below).filter(|to| **to != from.module);
            (from.module.clone(), all.cloned().collect())
        })
        .collect()
}

#[test]
fn the_table_is_sound() {
    faults(crate::rust_code::sources()).enforce();
}

/// For trials: a lib.rs with a table of these rows.
pub(crate) fn lib(rows: &[&str]) -> Source {
    let rows: Vec<String> = rows.iter().map(|row| format!("//! | {row} |\n")).collect();
    let rows = rows.concat();
    let head = "//! # Who may import whom\n//!\n//! | module | may import |\n//! | --- | --- |\n";
    Source::new(
        "lib.rs",
        &format!("//! The map.\n//!\n{head}{rows}//!\n//! # More\n//!\n//! | `x` | `y` |\n"),
    )
}

#[test]
fn trial() {
    let check = |rows: &[&str], expected: &[&str]| {
        let mut sources = vec![lib(rows)];
        let files = [
            "run.rs",
            "plan/mod.rs",
            "work/mod.rs",
            "work/core/mod.rs",
            "work/child.rs",
        ];
        sources.extend(files.iter().map(|path| Source::new(path, "")));
        assert_eq!(faults(&sources).messages(), expected, "{rows:?}");
    };
    check(
        &[
            "`run` | everything",
            "`work` | the errors of `plan`",
            "`work/core` | `plan`, `work/child`",
            "`work/child`, `plan` | nothing of ours",
        ],
        &[],
    );
    check(&[], &["src/lib.rs: no table of who may import whom"]);
    check(
        &["`run`, `plan` | nothing of ours", "`run` | `flan`"],
        &[
            "src/lib.rs: the table has two rows for `run`",
            "src/lib.rs: the table names `flan`, which is no module",
        ],
    );
    check(
        &["`run` | everything", "`plan` | `run`"],
        &[
            "src/lib.rs: the rows of the table form a circle: plan -> run -> plan; \
           a file that both sides need can have a row of its own",
        ],
    );
    check(
        &["`work` | nothing of ours", "`work/core` | `work/child`"],
        &[
            "src/lib.rs: the rows of the table form a circle: work -> work/core -> work; \
           a file that both sides need can have a row of its own",
        ],
    );
}
