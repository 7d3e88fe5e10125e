//! What each fuzz target checks, as a function of bytes: `cargo fuzz` calls it with bytes of its own, and the test
//! `seeds` with those in `seeds/`.

mod answers;
mod config;
mod control;
mod escape;
mod files;
mod frame;
mod group;
mod netlink;
mod nginx_lines;
mod parse;
mod stacks;
mod statistics;

/// A target: its name, and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 12] = [
    ("answers", answers::check),
    ("config", config::check),
    ("control", control::check),
    ("escape", escape::check),
    ("files", files::check),
    ("frame", frame::check),
    ("group", group::check),
    ("netlink", netlink::check),
    ("nginx_lines", nginx_lines::check),
    ("parse", parse::check),
    ("stacks", stacks::check),
    ("statistics", statistics::check),
];

/// Checks the bytes with the target of this name.
pub fn check(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.expect("a name of TARGETS").1(data);
}
