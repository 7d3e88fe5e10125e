//! Puts a program into a folder.

use std::path::Path;
use std::process::Command;

/// Copies a program, in another process: a descriptor of this process that is open for writing could be inherited by a
/// child of another test, and the program could not be executed then (ETXTBSY, execve(2)).
pub(crate) fn install(from: &Path, to: &Path) {
    let copied = Command::new("install")
        .args(["-m", "755"])
        .args([from, to])
        .status();
    assert!(copied.unwrap().success(), "cannot copy {}", from.display());
}
