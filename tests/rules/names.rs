//! Types have names of their own: no two files define the same one, private ones included.

use std::collections::BTreeMap;

use crate::paths::{Token, tokens};
use crate::report::Report;
use crate::rust_code::{Source, sources};

/// Names that may stand twice, and why.
const SHARED: &[(&str, &str)] = &[];

/// A type and its place.
struct Type<'a> {
    name: &'a str,
    kind: &'a str,
    at: usize,
}

/// The structs, enums, traits and aliases of a file; `type` inside braces belongs to a trait.
fn types(source: &Source) -> Vec<Type<'_>> {
    let tokens = tokens(&source.code);
    let mut depth = 0;
    let mut list = Vec::new();
    for pair in tokens.windows(2) {
        match (pair[0].1, pair[1].1) {
            (Token::Mark('{'), _) => depth += 1,
            (Token::Mark('}'), _) => depth -= 1,
            (Token::Word(kind), Token::Word(name)) => {
                let is_type =
                    matches!(kind, "struct" | "enum" | "trait") || kind == "type" && depth == 0;
                if is_type {
                    list.push(Type {
                        name,
                        kind,
                        at: pair[1].0,
                    });
                }
            }
            _ => {}
        }
    }
    list
}

fn names_of_several_types(sources: &[Source], shared: &[(&str, &str)]) -> Report {
    let mut by_name: BTreeMap<&str, Vec<(&Source, Type)>> = BTreeMap::new();
    for source in sources {
        for found in types(source) {
            by_name.entry(found.name).or_default().push((source, found));
        }
    }
    by_name.retain(|_, list| list.iter().any(|(source, _)| source.path != list[0].0.path));
    let mut report = Report::default();
    for (name, list) in &by_name {
        if shared.iter().any(|(allowed, _)| allowed == name) {
            continue;
        }
        let places: Vec<String> = list
            .iter()
            .map(|(source, found)| format!("{} in {}", found.kind, source.place(found.at)))
            .collect();
        report.add(
            (*name).to_owned(),
            format!(
                "`{name}` is the name of several types: {}",
                places.join(", ")
            ),
        );
    }
    for (name, _) in shared {
        if !by_name.contains_key(name) {
            report.add(
                (*name).to_owned(),
                format!("SHARED: `{name}` stands only once: remove the entry"),
            );
        }
    }
    report
}

#[test]
fn types_have_names_of_their_own() {
    names_of_several_types(sources(), SHARED).enforce();
}

#[test]
fn trial() {
    let sources = [
        Source::new(
            "a/mod.rs",
            "pub struct Request;\nenum A { B(Phase) }\n\
             impl Iterator for A { type Item = u8; }\ntype Answer<T> = Result<T, A>;",
        ),
        Source::new(
            "a/b.rs",
            "// enum A\nfn f() { let s = \"struct A\"; struct Local; }\n\
             trait Phase { type Item; }\n#[cfg(test)]\nmod tests { struct Request; }",
        ),
        Source::new(
            "c.rs",
            "\npub(crate) enum Request {}\ntype Answer = u8;\nstruct Phases;\n\
             fn g(r#type: u8) { struct Local; }",
        ),
    ];
    let check = |shared: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(
            names_of_several_types(&sources, shared).messages(),
            expected
        );
    };
    let answer =
        "`Answer` is the name of several types: type in src/a/mod.rs:4, type in src/c.rs:3";
    let local =
        "`Local` is the name of several types: struct in src/a/b.rs:2, struct in src/c.rs:5";
    let request =
        "`Request` is the name of several types: struct in src/a/mod.rs:1, enum in src/c.rs:2";
    check(&[], &[answer, local, request]);
    check(
        &[("Local", "each is part of a function"), ("Phase", "")],
        &[
            answer,
            request,
            "SHARED: `Phase` stands only once: remove the entry",
        ],
    );
}
