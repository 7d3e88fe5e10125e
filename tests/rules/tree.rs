//! Which file or foreign item each path of the source means.

use std::collections::{BTreeMap, HashMap};

use crate::paths::{self, Written};
use crate::rust_code::Source;

/// The source files with all their paths, resolved.
pub(crate) struct Tree<'a> {
    sources: &'a [Source],
    /// Names from the crate on, and the index of the file.
    modules: BTreeMap<Vec<String>, usize>,
    paths: Vec<Vec<Path>>,
}

/// A path, spelled from the crate or from the foreign crate that it begins with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) at: usize,
    pub(crate) names: Vec<String>,
}

impl Path {
    /// Whether these names, such as `Instant::now`, stand in the path one after the other.
    pub(crate) fn has(&self, names: &str) -> bool {
        let names: Vec<&str> = names.split("::").collect();
        self.names.windows(names.len()).any(|part| part == names)
    }

    /// Whether the path is this one or below it.
    pub(crate) fn is_in(&self, names: &str) -> bool {
        let names: Vec<&str> = names.split("::").collect();
        self.names.len() >= names.len() && self.names[..names.len()] == names
    }

    pub(crate) fn spelled(&self) -> String {
        self.names.join("::")
    }
}

impl<'a> Tree<'a> {
    pub(crate) fn of(sources: &'a [Source]) -> Self {
        let modules = sources
            .iter()
            .enumerate()
            // The binary is a crate of its own.
            .filter(|(_, source)| source.path != "main.rs")
            .map(|(index, source)| (source.module(), index))
            .collect();
        let mut tree = Self {
            sources,
            modules,
            paths: Vec::new(),
        };
        tree.paths = sources.iter().map(|source| tree.resolve(source)).collect();
        tree
    }

    /// Each file with its paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'a Source, &[Path])> {
        self.sources
            .iter()
            .zip(self.paths.iter().map(Vec::as_slice))
    }

    /// The file of the longest module that begins the path; none for a foreign one.
    ///
    /// An item counts for the file that the path names, even where that file only re-exports it.
    pub(crate) fn target(&self, path: &Path) -> Option<&'a Source> {
        let (first, names) = path.names.split_first()?;
        if first != "crate" {
            return None;
        }
        (0..=names.len())
            .rev()
            .find_map(|length| self.modules.get(&names[..length]))
            .map(|index| &self.sources[*index])
    }

    /// Whether a module has these names, from the crate on.
    pub(crate) fn has_module(&self, names: &[String]) -> bool {
        self.modules.keys().any(|module| module.starts_with(names))
    }

    fn resolve(&self, source: &Source) -> Vec<Path> {
        let written = paths::written(source);
        let mut bound: HashMap<&str, Vec<String>> = HashMap::new();
        for path in &written {
            let Some(name) = &path.binds else { continue };
            let full = self.full(source, path, &HashMap::new());
            // A function may have the name of its module: the module is what paths go on from.
            let module = |names: &[String]| names[0] == "crate" && self.has_module(&names[1..]);
            if bound.get(name.as_str()).is_none_or(|known| !module(known)) {
                bound.insert(name, full);
            }
        }
        written
            .iter()
            .map(|path| Path {
                at: path.at,
                names: self.full(source, path, &bound),
            })
            .collect()
    }

    fn full(
        &self,
        source: &Source,
        path: &Written,
        bound: &HashMap<&str, Vec<String>>,
    ) -> Vec<String> {
        let mut module = source.module();
        module.extend(path.inside.iter().cloned());
        let mut names = path.names.as_slice();
        let mut is_relative = false;
        while let [first, rest @ ..] = names {
            match first.as_str() {
                "self" => {}
                "super" => {
                    module.pop();
                }
                _ => break,
            }
            is_relative = true;
            names = rest;
        }
        let first = names.first().map_or("", String::as_str);
        module.push(first.to_owned());
        let is_child = !first.is_empty() && self.modules.contains_key(&module);
        module.pop();
        let start = if is_relative || is_child {
            module.insert(0, "crate".to_owned());
            module
        } else if let Some(known) = bound.get(first) {
            names = &names[1..];
            known.clone()
        } else {
            Vec::new()
        };
        start.into_iter().chain(names.iter().cloned()).collect()
    }
}

mod tests {
    use super::*;

    fn check(path: &str, code: &str, expected: &[&str]) {
        let sources: Vec<Source> = [
            "lib.rs",
            "a/mod.rs",
            "a/b/mod.rs",
            "a/b/c.rs",
            "a/d.rs",
            "e.rs",
        ]
        .iter()
        .map(|file| Source::new(file, if *file == path { code } else { "" }))
        .collect();
        let tree = Tree::of(&sources);
        let found: Vec<String> = tree
            .files()
            .flat_map(|(_, paths)| paths)
            .map(|path| {
                let target = tree.target(path).map_or("-", |file| file.path.as_str());
                format!("{} in {target}", path.spelled())
            })
            .collect();
        assert_eq!(found, expected, "{path}: {code}");
    }

    #[test]
    fn paths_lead_to_files() {
        check(
            "a/b/c.rs",
            "use super::{super::d::X, Y}; use self::Z; use crate::{e, f};",
            &[
                "crate::a::d::X in a/d.rs",
                "crate::a::b::Y in a/b/mod.rs",
                "crate::a::b::c::Z in a/b/c.rs",
                "crate::e in e.rs",
                "crate::f in lib.rs",
            ],
        );
    }

    #[test]
    fn children_need_no_self() {
        check(
            "a/mod.rs",
            "pub use d::X; mod d; fn f() { b::c::g(); std::b::h(); e::i() }",
            &[
                "crate::a::d::X in a/d.rs",
                "crate::a::b::c::g in a/b/c.rs",
                "std::b::h in -",
                "e::i in -",
            ],
        );
    }

    #[test]
    fn imported_names_are_followed() {
        check(
            "e.rs",
            "use std::env; use crate::a::{self, b as q, a}; fn f() { env::var(); q::c::X; a::d::Y }",
            &[
                "std::env in -",
                "crate::a in a/mod.rs",
                "crate::a::b in a/b/mod.rs",
                "crate::a::a in a/mod.rs",
                "std::env::var in -",
                "crate::a::b::c::X in a/b/c.rs",
                "crate::a::d::Y in a/d.rs",
            ],
        );
    }

    #[test]
    fn modules_in_a_file_are_its_part() {
        check(
            "a/d.rs",
            "mod inner { use super::X; use super::super::Y; use self::Z; }",
            &[
                "crate::a::d::X in a/d.rs",
                "crate::a::Y in a/mod.rs",
                "crate::a::d::inner::Z in a/d.rs",
            ],
        );
    }
}
