//! What every file has, and what none may have.

use std::path::Path;

use crate::architecture::nothing;
use crate::rust_code;

#[test]
fn every_file_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for file in rust_code::files(&root.join("src")) {
        if file.extension().is_some_and(|ext| ext == "rs")
            && !std::fs::read_to_string(&file).unwrap().starts_with("//!")
        {
            broken.push(format!(
                "{}: does not begin with //!",
                file.strip_prefix(root).unwrap().display()
            ));
        }
    }
    nothing(&broken);
}

#[test]
fn nothing_is_left_for_later() {
    // Written in halves, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("dbg", "!"),
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut broken = Vec::new();
    for file in rust_code::files(root) {
        // What is not text is not source.
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            let found = words.iter().find(|word| {
                line.match_indices(**word).any(|(at, _)| {
                    let goes_on = word.ends_with(part) && line[at + word.len()..].starts_with(part);
                    !goes_on && !line[..at].ends_with(part)
                })
            });
            if let Some(word) = found {
                broken.push(format!(
                    "{}:{}: {word}",
                    file.strip_prefix(root).unwrap().display(),
                    index + 1
                ));
            }
        }
    }
    nothing(&broken);
}
