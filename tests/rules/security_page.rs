//! SECURITY.md: each sentence of its lists names tests, and these tests exist.

use std::collections::BTreeSet;
use std::path::Path;

/// What is wrong with the page. `tests` are the names of all tests that there are.
fn problems(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("- ")) {
        let behind = line
            .rsplit_once(" (")
            .and_then(|(_, rest)| rest.strip_suffix(")."))
            .unwrap_or_default();
        let tests_named: Vec<&str> = behind.split('`').skip(1).step_by(2).collect();
        if tests_named.is_empty() {
            problems.push(format!("no test is named: {line}"));
        }
        for name in tests_named.iter().filter(|name| !tests.contains(**name)) {
            problems.push(format!("there is no test {name}"));
        }
    }
    problems
}

/// The functions that `marker` stands before, within a few lines of attributes.
fn functions_after<'a>(text: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let places: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].starts_with(marker))
        .collect();
    places.into_iter().filter_map(move |at| {
        let mut following = lines[at + 1..].iter().take(4);
        following.find_map(|line| {
            let (_, rest) = line.split_once("fn ")?;
            rest.split_once('(').map(|(name, _)| name)
        })
    })
}

/// The module of a file below its root: `a/b/mod.rs` is `a::b`, and `a/b_tests.rs` and `a/b/b_tests.rs` hold
/// `a::b::tests`.
fn module(path: &Path, has_tests_module: bool) -> String {
    let path = path.with_extension("");
    let mut parts: Vec<String> = path
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    parts.pop_if(|last| last == "mod");
    let file = parts.pop().unwrap_or_default();
    match file.strip_suffix("_tests") {
        Some(of) if parts.last().is_some_and(|last| last == of) => parts.push("tests".to_owned()),
        Some(of) => parts.extend([of.to_owned(), "tests".to_owned()]),
        None if has_tests_module => parts.extend([file, "tests".to_owned()]),
        None => parts.push(file),
    }
    parts.join("::")
}

fn files_below(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The names of all tests: of Rust with their modules, of Python and of the container tests as they are.
fn all_tests(root: &Path) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (folder, has_tests_module) in [("tests/integration", false), ("src", true)] {
        let folder = root.join(folder);
        let mut files = Vec::new();
        files_below(&folder, &mut files);
        for file in files
            .iter()
            .filter(|file| file.extension().is_some_and(|it| it == "rs"))
        {
            let text = std::fs::read_to_string(file).unwrap();
            let module = module(file.strip_prefix(&folder).unwrap(), has_tests_module);
            for marker in ["#[test]", "#[tokio::test"] {
                tests
                    .extend(functions_after(&text, marker).map(|name| format!("{module}::{name}")));
            }
        }
    }
    for (folder, before, after) in [
        ("tests/supply", "def ", "("),
        ("tests/container", "", "() {"),
        ("tests/seeds", "fn ", "("),
    ] {
        let mut files = Vec::new();
        files_below(&root.join(folder), &mut files);
        for text in files
            .iter()
            .filter_map(|file| std::fs::read_to_string(file).ok())
        {
            let names = text.lines().filter_map(|line| {
                let (name, _) = line.trim().strip_prefix(before)?.split_once(after)?;
                Some(name.to_owned())
            });
            tests.extend(names);
        }
    }
    tests
}

#[test]
fn each_sentence_is_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    assert!(page.lines().filter(|line| line.starts_with("- ")).count() > 30);
    let problems = problems(&page, &all_tests(root));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn trial() {
    let tests = BTreeSet::from(["a::b".to_owned()]);
    assert!(problems("- It holds (`a::b`).\nText.", &tests).is_empty());
    assert_eq!(
        problems("- It holds (`a::c`).", &tests),
        ["there is no test a::c"]
    );
    let unnamed = problems("- It holds (so they say).\n- And more.", &tests);
    assert_eq!(unnamed.len(), 2, "{unnamed:?}");
    let text = "#[test]\n#[cfg(unix)]\nfn a() {\n}\n// fn b()\n#[tokio::test(x)]\nasync fn c() {}";
    assert_eq!(functions_after(text, "#[test]").collect::<Vec<_>>(), ["a"]);
    assert_eq!(
        functions_after(text, "#[tokio::test").collect::<Vec<_>>(),
        ["c"]
    );
    assert_eq!(module(Path::new("a/mod.rs"), false), "a");
    assert_eq!(module(Path::new("a/b.rs"), true), "a::b::tests");
    assert_eq!(module(Path::new("a/b_tests.rs"), true), "a::b::tests");
}
