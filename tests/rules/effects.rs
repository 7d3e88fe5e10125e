//! What has an effect: the paths and the calls that a pure file may not contain.

use crate::rust_code::Source;
use crate::tree::{Path, Tree};

/// What has an effect, or an answer of its own at each call. A path is found where it stands in a longer one, whatever
/// part of it a `use` has imported before.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os::unix::net",
    "std::thread",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "tokio",
    "nix",
    "libc",
    "py_spy",
    "Instant::now",
    "SystemTime::now",
];
/// Methods of paths that ask the file system.
const CALLS: &[&str] = &[
    ".exists()",
    ".is_dir()",
    ".is_file()",
    ".is_symlink()",
    ".try_exists()",
    ".canonicalize()",
    ".read_dir()",
    ".read_link()",
    ".metadata()",
    ".symlink_metadata()",
];

/// The effect that a path stands for.
pub(crate) fn of(path: &Path) -> Option<&'static str> {
    EFFECTS.iter().copied().find(|effect| path.has(effect))
}

/// The calls in a file that ask the file system.
pub(crate) fn calls(source: &Source) -> impl Iterator<Item = (usize, &'static str)> + '_ {
    CALLS
        .iter()
        .flat_map(|call| source.find(call).map(move |at| (at, *call)))
}

/// For each effect and call, code that has it.
const TRIALS: &[(&str, &str)] = &[
    ("std::fs", "use std::{fmt, fs};"),
    ("std::env", "fn f() { std::env::temp_dir() }"),
    ("std::process", "use std::process::id;"),
    (
        "std::net::TcpListener",
        "use std::net::{IpAddr, TcpListener};",
    ),
    (
        "std::net::TcpStream",
        "use std::net; type Stream = net::TcpStream;",
    ),
    (
        "std::net::ToSocketAddrs",
        "use std::net::ToSocketAddrs as _;",
    ),
    ("std::net::UdpSocket", "struct S(std::net::UdpSocket);"),
    ("std::os::unix::net", "use std::os::unix::net::UnixStream;"),
    (
        "std::thread",
        "use std as s; fn f() { s::thread::sleep(t) }",
    ),
    (
        "std::io::stderr",
        "use std::io::{self, Write}; fn f() { io::stderr() }",
    ),
    ("std::io::stdin", "use std::io::stdin;"),
    ("std::io::stdout", "use std::io::{Write as _, stdout};"),
    ("tokio", "fn f() { tokio::select! {} }"),
    ("nix", "use nix::unistd::getpid;"),
    ("libc", "use libc::c_int;"),
    ("py_spy", "use py_spy::PythonSpy;"),
    (
        "Instant::now",
        "use std::time::Instant; fn f() { Instant::now() }",
    ),
    ("SystemTime::now", "fn f() { std::time::SystemTime::now() }"),
    (".exists()", "fn f() { path.exists() }"),
    (".is_dir()", "fn f() { path.is_dir() }"),
    (".is_file()", "fn f() { path.is_file() }"),
    (".is_symlink()", "fn f() { path.is_symlink() }"),
    (".try_exists()", "fn f() { path.try_exists()? }"),
    (".canonicalize()", "fn f() { path.canonicalize() }"),
    (".read_dir()", "fn f() { path.read_dir() }"),
    (".read_link()", "fn f() { path.read_link() }"),
    (".metadata()", "fn f() { path.metadata().len() }"),
    (".symlink_metadata()", "fn f() { path.symlink_metadata() }"),
];

#[test]
fn trial() {
    for effect in EFFECTS.iter().chain(CALLS) {
        let tried = TRIALS.iter().any(|(word, _)| word == effect);
        assert!(tried, "{effect} has no trial");
    }
    for (effect, code) in TRIALS {
        assert_eq!(found(code), [*effect], "{code}");
    }
    let harmless = "use std::time::Instant; use std::net::IpAddr; // tokio::spawn\n\
        fn f() { \"std::fs\"; x.exists(y); mynix::a(); std::ffi::fs() }";
    assert_eq!(found(harmless), Vec::<&str>::new());
}

/// All effects of a file with this code.
fn found(code: &str) -> Vec<&'static str> {
    let sources = [Source::new("a.rs", code)];
    let tree = Tree::of(&sources);
    let paths = tree.files().flat_map(|(_, paths)| paths);
    let mut list: Vec<&str> = paths.filter_map(of).collect();
    list.extend(calls(&sources[0]).map(|(_, call)| call));
    list.dedup();
    list
}
