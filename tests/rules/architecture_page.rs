//! docs/architecture.md: its paths exist, and each way of data is short enough to be read at once.

use std::path::Path;

/// Files that a way of data may pass: more, and the structure has become worse.
const LONGEST_WAY: usize = 15;

/// What is wrong with the page. `exists` tells whether a path below the project's folder is a file.
fn problems(page: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for path in page.split('`').skip(1).step_by(2) {
        if path.starts_with("src/") && !exists(path) {
            problems.push(format!("{path} does not exist"));
        }
    }
    for section in page.split("\n## ").skip(1) {
        let (title, body) = section.split_once('\n').unwrap_or((section, ""));
        let steps = body.lines().filter(|line| {
            line.split_once(". ")
                .is_some_and(|(number, _)| number.parse::<usize>().is_ok())
        });
        let steps = steps.count();
        if steps > LONGEST_WAY {
            problems.push(format!(
                "\"{title}\" passes {steps} files; {LONGEST_WAY} are allowed"
            ));
        }
    }
    problems
}

#[test]
fn the_page_is_true_and_its_ways_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    assert!(page.contains("\n1. `src/") && page.contains("| Where is nginx asked"));
    let problems = problems(&page, |path| root.join(path).is_file());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn trial() {
    let exists = |path: &str| path == "src/a.rs";
    let page = |steps: usize| {
        let step = |n| format!("{n}. `src/a.rs`: does `x`\n");
        format!("# A\n\n## B\n{}", (1..=steps).map(step).collect::<String>())
    };
    assert!(problems(&page(15), exists).is_empty());
    assert_eq!(
        problems(&page(16), exists),
        ["\"B\" passes 16 files; 15 are allowed"]
    );
    assert_eq!(
        problems("# A\nIn `src/gone.rs`.", exists),
        ["src/gone.rs does not exist"]
    );
}
