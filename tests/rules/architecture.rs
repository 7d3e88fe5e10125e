//! Who may import whom, what the pure core may not touch, and where effects may stand.
//!
//! The table is the one in the doc comment of src/lib.rs: it is read from there, so that it cannot differ from the rule.

use std::collections::BTreeMap;
use std::path::Path;

use crate::rust_code::{self, Source};

/// What has an effect, or an answer of its own at each call.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process::Command",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os::unix::net",
    "std::thread",
    "tokio::",
    "nix::",
    "libc::",
    "Instant::now",
    "SystemTime::now",
    ".exists()",
    ".is_dir()",
    ".is_file()",
    ".canonicalize()",
    ".read_dir()",
    ".metadata()",
    ".symlink_metadata()",
];
/// Values that only look like effects, and where they are used as such.
const VALUES: &[&str] = &["nix::unistd::Pid", "nix::sys::signal::Signal"];

#[derive(Debug, PartialEq)]
enum Allowed {
    Everything,
    These(Vec<String>),
}

impl Allowed {
    fn has(&self, module: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::These(list) => list.iter().any(|name| name == module),
        }
    }
}

/// The names in backticks of a text.
fn names(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn table() -> BTreeMap<String, Allowed> {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut table = BTreeMap::new();
    let section = text
        .lines()
        .skip_while(|line| !line.contains("# Who may import whom"));
    for row in section
        .skip(1)
        .take_while(|line| !line.starts_with("//! # "))
    {
        let cells: Vec<&str> = row
            .trim_start_matches("//!")
            .trim()
            .trim_matches('|')
            .split(" | ")
            .collect();
        let &[modules, imports] = cells.as_slice() else {
            continue;
        };
        for module in names(modules) {
            let allowed = match imports.trim() {
                "everything" => Allowed::Everything,
                "nothing of ours" => Allowed::These(Vec::new()),
                list => Allowed::These(names(list)),
            };
            assert_eq!(
                table.insert(module.clone(), allowed),
                None,
                "{module} has two rows in the table of src/lib.rs"
            );
        }
    }
    assert!(
        table.len() > 5,
        "the table in src/lib.rs was not understood: {table:?}"
    );
    table
}

/// The modules after `crate::`, each with its place; groups are opened.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut list = Vec::new();
    for at in source.find("crate::") {
        let rest = &source.code[at + "crate::".len()..];
        if source.code[..at].ends_with('$') {
            continue;
        }
        if let Some(group) = rest.strip_prefix('{') {
            list.extend(group_heads(group).into_iter().map(|name| (at, name)));
        } else {
            list.push((at, head(rest)));
        }
    }
    list
}

fn head(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// The first names of the items of a group, whose brace is open.
fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut start = 0;
    let mut list = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                list.push(head(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    list.retain(|name| !name.is_empty());
    list
}

/// Fails with all that breaks a rule.
#[track_caller]
pub(crate) fn nothing(broken: &[String]) {
    assert!(
        broken.is_empty(),
        "{} broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn modules_import_what_the_table_allows() {
    let table = table();
    let mut broken = Vec::new();
    for source in rust_code::sources() {
        let module = source.module();
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(allowed) = table.get(&module) else {
            broken.push(format!(
                "src/{}: the table in src/lib.rs has no row for `{module}`",
                source.path.display()
            ));
            continue;
        };
        for (at, import) in imports(&source) {
            if import != module && !allowed.has(&import) {
                broken.push(format!(
                    "{}: `{module}` may not import `{import}`; allowed: {allowed:?}",
                    source.place(at)
                ));
            }
        }
    }
    nothing(&broken);
}

#[test]
fn imports_of_other_modules_are_spelled_from_the_crate() {
    let mut broken = Vec::new();
    for source in rust_code::sources() {
        // In a file beside src/lib.rs, and in a mod.rs below it, `super` is the crate.
        let depth = source.path.components().count();
        let is_folder = source.path.file_name().is_some_and(|name| name == "mod.rs");
        let root = "super::".repeat(if is_folder { depth - 1 } else { depth });
        broken.extend(
            source
                .find(&root)
                .map(|at| format!("{}: {root} is spelled crate::", source.place(at))),
        );
    }
    nothing(&broken);
}

#[test]
fn the_table_names_every_module_and_no_other() {
    let modules: Vec<String> = rust_code::sources().iter().map(Source::module).collect();
    let mut broken = Vec::new();
    for (module, allowed) in table() {
        let imports = match allowed {
            Allowed::Everything => Vec::new(),
            Allowed::These(list) => list,
        };
        for name in imports.iter().chain([&module]) {
            if !modules.contains(name) {
                broken.push(format!(
                    "src/lib.rs: the table names `{name}`, which is no module"
                ));
            }
        }
    }
    nothing(&broken);
}

/// The stages that src/logs/mod.rs lists as pure.
fn pure_stages() -> Vec<String> {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/logs/mod.rs"))
            .unwrap();
    let (_, list) = text
        .split_once("first the pure stages")
        .expect("src/logs/mod.rs lists the pure stages");
    let (list, _) = list
        .split_once("Then the effects")
        .expect("src/logs/mod.rs ends the list of pure stages");
    let stages: Vec<String> = names(list)
        .iter()
        .map(|name| format!("logs/{name}.rs"))
        .collect();
    assert!(stages.len() > 8, "{stages:?}");
    stages
}

fn is_pure(path: &str) -> bool {
    let files = [
        "status.rs",
        "supervise/state.rs",
        "supervise/supervisor.rs",
        "supervise/backoff.rs",
        "supervise/report.rs",
        // Parts of logs/render.rs.
        "logs/as_json.rs",
        "logs/as_text.rs",
    ];
    path.starts_with("plan/")
        || path.starts_with("render/")
        || path.starts_with("config/") && path != "config/locate.rs"
        || files.contains(&path)
}

#[test]
fn the_core_is_pure() {
    let sources = rust_code::sources();
    let stages = pure_stages();
    let mut broken = Vec::new();
    let mut seen = 0;
    for source in &sources {
        let path = source.path.display().to_string();
        if !is_pure(&path) && !stages.contains(&path) {
            continue;
        }
        seen += 1;
        for effect in EFFECTS {
            for at in source.find(effect) {
                let rest = &source.code[at..];
                let value = path.starts_with("supervise/")
                    && VALUES.iter().any(|value| rest.starts_with(value));
                if !value {
                    broken.push(format!("{}: {effect} in the pure core", source.place(at)));
                }
            }
        }
    }
    let missing = stages
        .iter()
        .filter(|stage| !sources.iter().any(|s| s.path == Path::new(stage)));
    broken.extend(
        missing.map(|stage| format!("src/logs/mod.rs lists src/{stage}, which does not exist")),
    );
    assert!(seen > 25, "only {seen} pure files were found");
    nothing(&broken);
}

/// Where each of these may stand, and nowhere else.
const PLACES: &[(&str, &[&str])] = &[
    ("unsafe", &["sys/"]),
    ("libc::", &["sys/"]),
    (
        "Command::new",
        &[
            "sys/process.rs",
            "machine/programs.rs",
            "commands/nginx_test.rs",
        ],
    ),
    ("waitpid", &["sys/reap.rs"]),
    ("waitid", &["sys/reap.rs"]),
    ("tokio::process", &[]),
    ("std::process::exit", &[]),
    ("std::env::var", &["commands/context.rs"]),
    ("std::env::vars", &["commands/context.rs"]),
    ("std::env::var_os", &["commands/context.rs"]),
    ("std::env::vars_os", &["commands/context.rs"]),
];

#[test]
fn effects_stand_in_their_places() {
    let mut broken = Vec::new();
    for source in rust_code::sources() {
        let path = source.path.display().to_string();
        for (word, places) in PLACES {
            if places.iter().any(|place| path.starts_with(place)) {
                continue;
            }
            broken.extend(
                source
                    .find(word)
                    .map(|at| format!("{}: {word} may stand only in {places:?}", source.place(at))),
            );
        }
    }
    nothing(&broken);
}

#[test]
fn groups_are_opened() {
    let source = |text: &str| Source {
        path: "plan/mod.rs".into(),
        code: rust_code::blank(text),
    };
    let found: Vec<String> = imports(&source(
        "use crate::{a::{b, c}, d,\n e::f};\nuse crate::g;\n// use crate::h;\nlet x = crate::i::j(\"crate::k\"); $crate::l",
    ))
    .into_iter()
    .map(|(_, name)| name)
    .collect();
    assert_eq!(found, ["a", "d", "e", "g", "i"]);
}
