//! What every file has, and what none may have.

use std::path::Path;

use crate::report::Report;
use crate::rust_code::{self, is_part_of_name};

/// What one reader can hold in mind; a longer file answers more than one question.
const LINES: usize = 350;

/// A file of the project that is text.
struct Text {
    path: String,
    text: String,
}

impl Text {
    fn is_below(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    fn is_of(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.path.ends_with(kind))
    }
}

fn project() -> Vec<Text> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    rust_code::files(root)
        .iter()
        .filter_map(|file| {
            let path = file.strip_prefix(root).unwrap().to_str()?.to_owned();
            // What is not text is not source.
            let text = std::fs::read_to_string(file).ok()?;
            Some(Text { path, text })
        })
        .collect()
}

fn without_question(files: &[Text]) -> Report {
    let mut report = Report::default();
    for file in files {
        if file.is_below(&["src/"]) && file.is_of(&[".rs"]) && !file.text.starts_with("//! ") {
            report.add(
                file.path.clone(),
                format!(
                    "{}:1: does not begin with //! and the question that it answers",
                    file.path
                ),
            );
        }
    }
    report
}

fn too_long(files: &[Text]) -> Report {
    let mut report = Report::default();
    for file in files {
        let lines = file.text.lines().count();
        if file.is_below(&["src/", "tests/"]) && file.is_of(&[".rs", ".py"]) && lines > LINES {
            report.add(
                file.path.clone(),
                format!(
                    "{}: {lines} lines; {LINES} are allowed: split it by question",
                    file.path
                ),
            );
        }
    }
    report
}

fn left_for_later(files: &[Text]) -> Report {
    // Written in halves, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("dbg", "!"),
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
    ];
    let mut report = Report::default();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let found = words.iter().find(|word| {
                line.match_indices(**word).any(|(at, _)| {
                    let goes_on = word.ends_with(is_part_of_name)
                        && line[at + word.len()..].starts_with(is_part_of_name);
                    !goes_on && !line[..at].ends_with(is_part_of_name)
                })
            });
            if let Some(word) = found {
                report.add(
                    format!("{}: {word}", file.path),
                    format!("{}:{}: {word}", file.path, index + 1),
                );
            }
        }
    }
    report
}

#[test]
fn every_file_says_what_it_answers() {
    without_question(&project()).enforce();
}

#[test]
fn no_file_is_too_long() {
    too_long(&project()).enforce();
}

#[test]
fn nothing_is_left_for_later() {
    left_for_later(&project()).enforce();
}

#[test]
fn trials() {
    let check = |rule: fn(&[Text]) -> Report, path: &str, text: &str, expected: &[&str]| {
        let files = [Text {
            path: path.to_owned(),
            text: text.to_owned(),
        }];
        assert_eq!(rule(&files).messages(), expected, "{path}");
    };
    check(without_question, "src/a/b.rs", "//! Which?\n", &[]);
    check(without_question, "src/a/b.txt", "text", &[]);
    check(without_question, "tests/a.rs", "use a;", &[]);
    let silent = "src/a/b.rs:1: does not begin with //! and the question that it answers";
    check(without_question, "src/a/b.rs", "\n//! Which?\n", &[silent]);
    check(without_question, "src/a/b.rs", "//!\nuse a;\n", &[silent]);

    let lines = |count: usize| "x\n".repeat(count);
    check(too_long, "src/a.rs", &lines(LINES), &[]);
    check(too_long, "tests/golden/a.json", &lines(LINES + 1), &[]);
    let long = "tests/a/b.py: 351 lines; 350 are allowed: split it by question";
    check(too_long, "tests/a/b.py", &lines(LINES + 1), &[long]);

    let word = concat!("TO", "DO");
    check(
        left_for_later,
        "a.md",
        &format!("MY{word} {word}S {word}_X"),
        &[],
    );
    check(
        left_for_later,
        "a.md",
        &format!("a\n// {word}: b\n"),
        &[&format!("a.md:2: {word}")],
    );
    let call = concat!("todo", "!");
    check(
        left_for_later,
        "src/a.rs",
        &format!("{call}()"),
        &[&format!("src/a.rs:1: {call}")],
    );
}
