//! Rust source as the rules see it: without comments, without the contents of strings, without tests.

use std::path::{Path, PathBuf};

/// A source file of the launcher.
pub(crate) struct Source {
    /// Path below `src`.
    pub(crate) path: PathBuf,
    /// Line by line what is left: blank where there was a comment, a string or a test.
    pub(crate) code: String,
}

impl Source {
    /// The first folder or file below `src`: the module that the file is part of.
    pub(crate) fn module(&self) -> String {
        let first = self.path.components().next().unwrap();
        Path::new(&first)
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    }

    /// The file and line of a place in `code`.
    pub(crate) fn place(&self, at: usize) -> String {
        let line = self.code[..at].matches('\n').count() + 1;
        format!("src/{}:{line}", self.path.display())
    }

    /// Where `word` stands in the code, as a whole word (`::` and `!` may be part of it).
    pub(crate) fn find<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(move |at| {
                let before = self.code[..*at].chars().next_back().is_some_and(part)
                    && word.starts_with(part);
                let after = self.code[at + word.len()..].starts_with(part) && word.ends_with(part);
                !before && !after
            })
    }
}

/// All source files that are part of the program: files of tests are left out.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut list = Vec::new();
    for file in files(&root) {
        let path = file.strip_prefix(&root).unwrap().to_owned();
        let of_tests = path.components().any(|part| part.as_os_str() == "tests")
            || path.to_string_lossy().ends_with("_tests.rs");
        if of_tests || path.extension().is_none_or(|ext| ext != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let code = without_tests(&blank(&text));
        list.push(Source { path, code });
    }
    assert!(
        list.len() > 20,
        "the source was not found in {}",
        root.display()
    );
    list
}

/// All files below a folder, sorted; what a build or a tool leaves there is passed over.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut list = Vec::new();
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(
                name.as_str(),
                ".git" | "target" | "__pycache__" | ".venv" | "venv"
            ) {
                list.extend(files(&path));
            }
        } else {
            list.push(path);
        }
    }
    list
}

/// Blanks comments and the contents of strings and characters; line ends stay, so that line numbers hold.
pub(crate) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => quoted(rest),
            'r' if raw_hashes(rest).is_some()
                && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') =>
            {
                raw(rest)
            }
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(
                rest[..length]
                    .chars()
                    .map(|c| if c == '\n' { c } else { ' ' }),
            );
            rest = &rest[length..];
        }
    }
    out
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_hashes(rest: &str) -> Option<usize> {
    let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
    rest[1 + hashes..].starts_with('"').then_some(hashes)
}

fn raw(rest: &str) -> usize {
    let hashes = raw_hashes(rest).unwrap();
    let end = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 2;
    rest[start..]
        .find(&end)
        .map_or(rest.len(), |at| start + at + end.len())
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some((_, _)) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// Blanks every item under `#[cfg(test)]`. rustfmt puts the brace that ends an item under the start of its line.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let line = out[..start].rfind('\n').map_or(0, |at| at + 1);
        let indent = &out[line..start];
        let item = &out[start..];
        let semicolon = item.find(';').unwrap_or(item.len());
        let brace = item.find('{').unwrap_or(item.len());
        let end = if semicolon < brace {
            semicolon + 1
        } else {
            let last = format!("\n{indent}}}");
            item.find(&last).map_or(item.len(), |at| at + last.len())
        };
        let blanked: String = item[..end]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect();
        out.replace_range(start..start + end, &blanked);
    }
    out
}

#[test]
fn comments_strings_and_tests_are_blank() {
    let text = "a('\"', '\\'', \"// b\", r#\"c\"#); // d\nfn f<'a>() {}\n#[cfg(test)]\nmod tests {\n    x();\n}\n#[cfg(test)]\nmod t;\ng\n";
    let code = without_tests(&blank(text));
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words.join(""), "a(,,,);fnf<'a>(){}g", "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
}
