//! The seeds of the fuzz targets: what fuzzing has found, and examples. They are inputs of the ordinary tests, too.
#![expect(clippy::panic, reason = "a test may panic")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the library of the fuzz targets, too")]
mod checks;

use std::path::{Path, PathBuf};

/// So that they stay readable and quick.
const FILES: usize = 100;
const BYTES: usize = 200 * 1024;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn names(folder: &Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_target_holds_for_its_seeds() {
    for (target, check) in checks::TARGETS {
        let folder = folder("fuzz/seeds").join(target);
        let seeds = names(&folder);
        assert!(
            (1..=FILES).contains(&seeds.len()),
            "{target}: {}",
            seeds.len()
        );
        let mut bytes = 0;
        for name in seeds {
            let data = std::fs::read(folder.join(&name)).unwrap();
            bytes += data.len();
            if let Err(panic) = std::panic::catch_unwind(|| check(&data)) {
                println!("The seed: fuzz/seeds/{target}/{name}");
                std::panic::resume_unwind(panic);
            }
        }
        assert!(bytes <= BYTES, "{target}: {bytes} bytes");
    }
}

#[test]
fn every_target_has_a_program_and_seeds() {
    let targets: Vec<&str> = checks::TARGETS.iter().map(|(name, _)| *name).collect();
    let cargo = std::fs::read_to_string(folder("fuzz/Cargo.toml")).unwrap();
    for target in &targets {
        checks::check(target, b"");
        let path = format!("fuzz_targets/{target}.rs");
        assert!(cargo.contains(&format!("path = \"{path}\"")), "{path}");
        let program = std::fs::read_to_string(folder("fuzz").join(&path)).unwrap();
        assert!(
            program.contains(&format!("check(\"{target}\", data)")),
            "{path}"
        );
    }
    assert_eq!(names(&folder("fuzz/seeds")), targets);
    assert_eq!(names(&folder("fuzz/fuzz_targets")).len(), targets.len());
}
