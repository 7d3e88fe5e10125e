//! Which processes are whose children, and what they are called, from /proc (proc(5)).
#![forbid(unsafe_code)]

use nix::unistd::Pid;

use super::process_stat;

/// Children of a process, zombies included: those of each of its threads (proc(5), `children`).
pub(crate) fn children_of(pid: Pid) -> Vec<Pid> {
    // A process that has ended meanwhile has none.
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let texts = threads
        .into_iter()
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let numbers = texts.flat_map(|text| {
        let words = text.split_whitespace();
        words
            .filter_map(|word| word.parse().ok())
            .collect::<Vec<i32>>()
    });
    numbers.map(Pid::from_raw).collect()
}

/// The launcher's children with this command name, and their children with it.
pub(crate) fn children_named(name: &str) -> Vec<Pid> {
    let own = children_of(nix::unistd::getpid());
    let theirs = own.iter().flat_map(|child| children_of(*child));
    let all: Vec<Pid> = own.iter().copied().chain(theirs).collect();
    all.into_iter()
        .filter(|pid| NamedProcess::of(*pid).name == name)
        .collect()
}

/// The children of a process with their titles, the command line without arguments behind a NUL; none when that cannot be
/// read.
pub(crate) fn titles_of_children(pid: Pid) -> Option<Vec<(Pid, String)>> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let numbers = list.split_whitespace().filter_map(|word| word.parse().ok());
    let title = |pid: i32| {
        // One that has ended meanwhile has none.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let title = line.split(|byte| *byte == 0).next().unwrap_or_default();
        (
            Pid::from_raw(pid),
            String::from_utf8_lossy(title).trim_end().to_owned(),
        )
    };
    Some(numbers.map(title).collect())
}

/// Whether `pid` is a child of `parent`.
pub(crate) fn is_child_of(pid: Pid, parent: Pid) -> bool {
    process_stat::read(pid.as_raw()).is_some_and(|stat| stat.parent == parent.as_raw())
}

/// Whether a process is a zombie, or gone.
pub(crate) fn has_ended(pid: Pid) -> bool {
    process_stat::read(pid.as_raw()).is_none_or(|stat| process_stat::has_ended(stat.state))
}

/// All processes below the launcher.
pub(crate) fn descendants() -> Vec<Pid> {
    let mut found = children_of(nix::unistd::getpid());
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(children_of(pid));
        next += 1;
    }
    found
}

/// All processes of the PID namespace but the launcher.
pub(crate) fn all_others() -> Vec<Pid> {
    let own = nix::unistd::getpid();
    // /proc is there: the launcher as PID 1 has read it before.
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse().ok().map(Pid::from_raw));
    pids.filter(|pid| *pid != own).collect()
}

/// A process with its name.
#[derive(Clone, Debug)]
pub(crate) struct NamedProcess {
    pub(crate) pid: Pid,
    /// Of its main thread, at most 15 bytes (proc(5), `comm`); empty when the process has ended.
    pub(crate) name: String,
}

impl NamedProcess {
    fn of(pid: Pid) -> Self {
        // A process that has ended meanwhile has no name.
        let name = process_stat::read(pid.as_raw()).map(|stat| stat.name);
        Self {
            pid,
            name: name.unwrap_or_default(),
        }
    }
}

/// The children of a process that have its name or one that begins with it: copies of it, not programs that it has
/// started.
pub(crate) fn workers_of(pid: Pid) -> Vec<NamedProcess> {
    let own = NamedProcess::of(pid).name;
    let children = children_of(pid).into_iter().map(NamedProcess::of);
    children
        .filter(|child| !own.is_empty() && child.name.starts_with(&own))
        .collect()
}
