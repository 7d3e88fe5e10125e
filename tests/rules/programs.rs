//! `supervise` is free of program names: it knows children, not nginx or uWSGI.
//!
//! Comments may name them, as the source of a rule or as an example. Names and strings may not.

use crate::report::Report;
use crate::rust_code::{Source, sources};
use crate::tree::Tree;

const FREE: &str = "supervise/";
const WORDS: &[&str] = &["nginx", "uwsgi"];
/// The module that knows the programs.
const KNOWS: &str = "crate::programs";

fn program_names(sources: &[Source]) -> Report {
    let mut report = Report::default();
    let mut files = 0;
    let tree = Tree::of(sources);
    for (source, paths) in tree
        .files()
        .filter(|(source, _)| source.path.starts_with(FREE))
    {
        files += 1;
        let text = source.text.to_ascii_lowercase();
        for word in WORDS {
            if let Some(at) = text.find(word) {
                report.add(
                    format!("{}: {word}", source.path),
                    format!(
                        "{}: `{}` in {FREE}, which knows children only",
                        source.place(at),
                        &source.text[at..at + word.len()]
                    ),
                );
            }
        }
        if let Some(path) = paths.iter().find(|path| path.is_in(KNOWS)) {
            report.add(
                format!("{}: {KNOWS}", source.path),
                format!(
                    "{}: {FREE} may not import {}",
                    source.place(path.at),
                    path.spelled()
                ),
            );
        }
    }
    if files == 0 {
        report.add(FREE.to_owned(), format!("there is no src/{FREE}"));
    }
    report
}

#[test]
fn supervise_names_no_program() {
    program_names(sources()).enforce();
}

#[test]
fn trial() {
    let check = |path: &str, code: &str, expected: &[&str]| {
        let sources = [Source::new("supervise/mod.rs", ""), Source::new(path, code)];
        assert_eq!(program_names(&sources).messages(), expected, "{code}");
    };
    let harmless = "//! As nginx does.\n/* uWSGI */ fn f() { /// uwsgi\n }\n\
     #[cfg(test)]\nmod t { use crate::programs::nginx; }";
    check("supervise/a.rs", harmless, &[]);
    check("programs/nginx.rs", "struct Nginx;", &[]);
    check(
        "supervise/run/a.rs",
        "fn f() {\n    g(\"the nginx\")\n}\nstruct UwsgiStats;",
        &[
            "src/supervise/run/a.rs:2: `nginx` in supervise/, which knows children only",
            "src/supervise/run/a.rs:4: `Uwsgi` in supervise/, which knows children only",
        ],
    );
    check(
        "supervise/b.rs",
        "const A: &[u8] = br#\"uWSGI\"#;",
        &["src/supervise/b.rs:1: `uWSGI` in supervise/, which knows children only"],
    );
    check(
        "supervise/c.rs",
        "use crate::{sys, programs::Program};",
        &["src/supervise/c.rs:1: supervise/ may not import crate::programs::Program"],
    );
    assert_eq!(
        program_names(&[]).messages(),
        ["there is no src/supervise/"]
    );
}
