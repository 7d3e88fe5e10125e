//! Rust source as the rules see it: without comments and tests, with or without the contents of strings.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A source file of the launcher.
///
/// The three texts have the same length, so an offset into one is an offset into all.
pub(crate) struct Source {
    /// Path below `src`, with `/`.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) raw: String,
    /// Blank where there was a comment or a test.
    pub(crate) text: String,
    /// Blank where there was a comment, a string, a character or a test.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, raw: &str) -> Self {
        let code = blank(raw, Strings::Blank);
        let tests = tests(&code);
        Self {
            path: path.to_owned(),
            raw: raw.to_owned(),
            text: without(blank(raw, Strings::Keep), &tests),
            code: without(code, &tests),
        }
    }

    /// The names of the module that the file is, from the crate on: none for lib.rs and main.rs.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if matches!(path, "lib" | "main") {
            return Vec::new();
        }
        path.split('/').map(str::to_owned).collect()
    }

    /// The file and line of an offset.
    pub(crate) fn place(&self, at: usize) -> String {
        let line = self.raw[..at].matches('\n').count() + 1;
        format!("src/{}:{line}", self.path)
    }

    /// Where `word` stands in the code; a name is found only whole.
    pub(crate) fn find<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(move |at| {
                let before = self.code[..*at].ends_with(is_part_of_name);
                let after = self.code[at + word.len()..].starts_with(is_part_of_name);
                !(before && word.starts_with(is_part_of_name)
                    || after && word.ends_with(is_part_of_name))
            })
    }
}

pub(crate) fn is_part_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// All source files that are part of the program: files of tests are left out.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut list = Vec::new();
        for file in files(&root) {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
            if file.extension().is_some_and(|ext| ext == "rs") && !is_test(path) {
                list.push(Source::new(path, &std::fs::read_to_string(&file).unwrap()));
            }
        }
        assert!(
            list.len() > 20,
            "the source was not found in {}",
            root.display()
        );
        list
    })
}

fn is_test(path: &str) -> bool {
    path.ends_with("_tests.rs") || path.split('/').any(|part| part == "tests")
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
                ".git" | ".cache" | "target" | "__pycache__" | ".venv" | "venv"
            ) {
                list.extend(files(&path));
            }
        } else {
            list.push(path);
        }
    }
    list
}

#[derive(Clone, Copy, PartialEq)]
enum Strings {
    Keep,
    Blank,
}

/// Blanks comments and, when asked, strings and characters; offsets and line ends stay.
fn blank(raw: &str, strings: Strings) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let comment = comment(rest);
        let literal = match c {
            _ if comment > 0 => 0,
            '"' => quoted(rest),
            'r' if starts_literal(&raw[..raw.len() - rest.len()]) => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let length = comment.max(literal);
        let (token, after) = rest.split_at(length.max(c.len_utf8()));
        if length == 0 || comment == 0 && strings == Strings::Keep {
            out.push_str(token);
        } else {
            out.extend(spaces(token));
        }
        rest = after;
    }
    out
}

/// As many bytes as `text` has, and its line ends.
fn spaces(text: &str) -> impl Iterator<Item = char> + '_ {
    text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' })
}

/// The length of the comment at the start; 0 where there is none.
fn comment(rest: &str) -> usize {
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        rest.find("*/").map_or(rest.len(), |end| end + 2)
    } else {
        0
    }
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

/// Whether an `r` after this text can begin a literal: it is not inside a name, but may follow `b` or `c`.
fn starts_literal(before: &str) -> bool {
    let name_start = before.trim_end_matches(is_part_of_name).len();
    matches!(&before[name_start..], "" | "b" | "c")
}

/// The length of the raw string at the start; 0 where the `r` begins a name.
fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
    let start = hashes + 2;
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    rest[start..]
        .find(&end)
        .map_or(rest.len(), |at| start + at + end.len())
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// Where the items under `#[cfg(test)]` begin and end, in code without strings.
fn tests(code: &str) -> Vec<(usize, usize)> {
    let attribute = "#[cfg(test)]";
    code.match_indices(attribute)
        .map(|(start, _)| (start, end_of_item(code, start + attribute.len())))
        .collect()
}

/// The end of an item: its semicolon, or the brace that closes it or what it is in.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[start..].char_indices() {
        let next = start + at + 1;
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => {
                depth -= 1;
                // The braces of `use a::{b, c};` do not end it.
                if c == '}' && depth == 0 && !code[next..].starts_with(';') {
                    return next;
                }
            }
            ')' | ']' | '}' => return start + at,
            ';' if depth == 0 => return next,
            _ => {}
        }
    }
    code.len()
}

fn without(mut code: String, ranges: &[(usize, usize)]) -> String {
    for (start, end) in ranges {
        let blanked: String = spaces(&code[*start..*end]).collect();
        code.replace_range(*start..*end, &blanked);
    }
    code
}

#[test]
fn comments_strings_and_tests_are_blank() {
    let raw = "a('\"', '\\'', \"// b\", r#\"c\"#, br\"\\\"); // d ü\n\
     fn f<'a>() {}\n#[cfg(test)]\n#[x(y)]\nmod tests {\n    x();\n}\n\
      #[cfg(test)]\nuse t::{u, v};\n#[cfg(test)]\nmod t;\ng(\"ü\")\n";
    let source = Source::new("a/mod.rs", raw);
    let joined = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(joined(&source.code), "a(,,,,b);fnf<'a>(){}g()");
    assert_eq!(
        joined(&source.text),
        "a('\"','\\'',\"//b\",r#\"c\"#,br\"\\\");fnf<'a>(){}g(\"ü\")"
    );
    assert_eq!(source.code.len(), raw.len());
    assert_eq!(source.text.len(), raw.len());
    assert_eq!(source.place(raw.len() - 2), "src/a/mod.rs:12");
}

/// A literal or comment that is misread would leave a brace too many.
#[test]
fn braces_of_the_source_are_in_pairs() {
    for source in sources() {
        let count = |brace: char| source.code.matches(brace).count();
        assert_eq!(count('{'), count('}'), "{}", source.path);
    }
}

#[test]
fn files_know_their_module() {
    let module = |path: &str| Source::new(path, "").module().join("::");
    assert_eq!(module("lib.rs"), "");
    assert_eq!(module("status.rs"), "status");
    assert_eq!(module("logs/mod.rs"), "logs");
    assert_eq!(
        module("supervise/machine/reload.rs"),
        "supervise::machine::reload"
    );
    assert!(is_test("logs/tests/live.rs") && is_test("plan/plan_tests.rs"));
    assert!(!is_test("logs/contests.rs"));
}
