//! One place for each effect.

use crate::report::Report;
use crate::rust_code::{Source, sources};
use crate::tree::Tree;

/// Where each of these may stand, and nowhere else. A path is found where it stands in a longer one, whatever part of
/// it a `use` has imported before; a single name is found wherever it stands.
const PLACES: &[(&str, &[&str])] = &[
    ("unsafe", &["sys/"]),
    ("libc", &["sys/"]),
    ("Command::new", &["sys/process.rs"]),
    ("waitpid", &["sys/reap.rs"]),
    ("waitid", &["sys/reap.rs"]),
    ("tokio::process", &[]),
    ("std::process::exit", &[]),
    ("std::env::var", &["context.rs"]),
    ("std::env::vars", &["context.rs"]),
    ("std::env::var_os", &["context.rs"]),
    ("std::env::vars_os", &["context.rs"]),
];

type Places<'a> = &'a [(&'a str, &'a [&'a str])];

fn effects_out_of_place(sources: &[Source], places: Places) -> Report {
    let mut report = Report::default();
    for (source, paths) in Tree::of(sources).files() {
        for (word, allowed) in places {
            if allowed.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            let found = if word.contains("::") {
                paths.iter().find(|path| path.has(word)).map(|path| path.at)
            } else {
                source.find(word).next()
            };
            if let Some(at) = found {
                let allowed = match allowed {
                    [] => "nowhere".to_owned(),
                    list => format!("only in {}", list.join(", ")),
                };
                report.add(
                    format!("{}: {word}", source.path),
                    format!("{}: {word} may stand {allowed}", source.place(at)),
                );
            }
        }
    }
    for place in places.iter().flat_map(|(_, places)| *places) {
        if !sources.iter().any(|source| source.path.starts_with(place)) {
            report.add(
                (*place).to_owned(),
                format!("PLACES: there is no src/{place}"),
            );
        }
    }
    report
}

#[test]
fn effects_stand_in_their_places() {
    effects_out_of_place(sources(), PLACES).enforce();
}

/// For each word of the table, code that uses it.
const TRIALS: &[(&str, &str)] = &[
    ("unsafe", "fn f() { unsafe { g() } }"),
    ("libc", "fn f() { nix::libc::kill(1, 9); }"),
    (
        "Command::new",
        "use std::process::Command as C; fn f() { C::new(\"sh\"); }",
    ),
    (
        "waitpid",
        "use nix::sys::wait::{self, waitpid as wait_for};",
    ),
    ("waitid", "fn f() { nix::sys::wait::waitid(all, flags); }"),
    ("tokio::process", "use tokio::{net, process::Command};"),
    (
        "std::process::exit",
        "use std::process; fn f() { process::exit(1); }",
    ),
    (
        "std::env::var",
        "use std::env; fn f() { env::var(\"HOME\"); }",
    ),
    ("std::env::vars", "use std::env::vars;"),
    ("std::env::var_os", "fn f() { std::env::var_os(\"HOME\"); }"),
    (
        "std::env::vars_os",
        "use std::{env as e, fs}; fn f() { e::vars_os() }",
    ),
];

#[test]
fn trial() {
    for (word, _) in PLACES {
        assert!(
            TRIALS.iter().any(|(tried, _)| tried == word),
            "{word} has no trial"
        );
    }
    for (word, code) in TRIALS {
        let sources = [Source::new("a/b.rs", &format!("// {word}\n{code}"))];
        let check = |allowed: &[&str], expected: &[&str]| {
            let report = effects_out_of_place(&sources, &[(word, allowed)]);
            assert_eq!(report.messages(), expected, "{code}");
        };
        check(&["a/"], &[]);
        check(&[], &[&format!("src/a/b.rs:2: {word} may stand nowhere")]);
        check(
            &["c/d.rs"],
            &[
                &format!("src/a/b.rs:2: {word} may stand only in c/d.rs"),
                "PLACES: there is no src/c/d.rs",
            ],
        );
    }
    let harmless = "#![forbid(unsafe_code)]\n/// unsafe\n\
        fn f() { std::env::vars_of(\"libc\"); Commands::new() }";
    let nowhere: Vec<(&str, &[&str])> = PLACES.iter().map(|(word, _)| (*word, &[][..])).collect();
    let report = effects_out_of_place(&[Source::new("a.rs", harmless)], &nowhere);
    assert_eq!(report.messages(), Vec::<&str>::new());
}
