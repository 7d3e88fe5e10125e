//! Finds the processes that a launcher has started, in /proc.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::{poll, until};

/// A process, identified by its pid and start time, because pids are reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    started: u64,
    pub(crate) parent: i32,
    pub(crate) name: String,
    pub(crate) command: String,
}

impl Process {
    /// None when the process does not exist or is a zombie.
    pub(crate) fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, fields) = split_stat(&stat)?;
        if has_ended(fields[0]) {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command: Vec<_> = command
            .split(|byte| *byte == 0)
            .map(String::from_utf8_lossy)
            .collect();
        Some(Self {
            pid,
            started: fields[19].parse().ok()?,
            parent: fields[1].parse().ok()?,
            name: head.split_once('(')?.1.to_owned(),
            command: command.join(" ").trim().to_owned(),
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started == other.started
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.is_same(self))
    }

    /// Signals it, if it is still the same process.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_alive() {
            // It may end between the check and the signal.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    #[track_caller]
    pub(crate) fn wait_gone(&self, deadline: Duration) {
        until(deadline, &format!("{self:?} ends"), || {
            (!self.is_alive()).then_some(())
        });
    }
}

/// The pid with the name, and the fields from the state on (proc(5)).
fn split_stat(stat: &str) -> Option<(&str, Vec<&str>)> {
    // The name is in parentheses and may contain anything, also parentheses.
    let (head, tail) = stat.rsplit_once(") ")?;
    Some((head, tail.split(' ').collect()))
}

fn has_ended(state: &str) -> bool {
    matches!(state, "Z" | "X")
}

fn all_pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The children of a process that have ended and were not waited for.
pub(crate) fn zombies_of(parent: i32) -> Vec<i32> {
    let parent = parent.to_string();
    let is_zombie = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        split_stat(&stat).is_some_and(|(_, fields)| has_ended(fields[0]) && fields[1] == parent)
    };
    all_pids().filter(is_zombie).collect()
}

/// How to recognize a process of a launcher when its parents have ended.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    /// `NAME=value` in the environment.
    pub(crate) environment: String,
    /// Folders that only this launcher's processes have open or in their command line.
    pub(crate) folders: Vec<PathBuf>,
    /// Ports on which only this launcher's processes listen.
    pub(crate) ports: Vec<u16>,
}

/// All processes that descend from `root` or have a mark. nginx overwrites its environment with its title, so one kind of
/// mark is not enough.
pub(crate) fn family(root: Option<&Process>, marks: &Marks) -> BTreeSet<Process> {
    let all: BTreeMap<i32, Process> = all_pids()
        .filter_map(|pid| Some((pid, Process::read(pid)?)))
        .collect();
    let own = i32::try_from(std::process::id()).unwrap();
    let listeners = listening_sockets(&marks.ports);
    let mut found: BTreeSet<i32> = all
        .values()
        .filter(|process| process.pid != own)
        .filter(|process| {
            root.is_some_and(|root| root.is_same(process)) || is_marked(process, marks, &listeners)
        })
        .map(|process| process.pid)
        .collect();
    loop {
        let children: BTreeSet<i32> = all
            .values()
            .filter(|process| found.contains(&process.parent) && !found.contains(&process.pid))
            .map(|process| process.pid)
            .collect();
        if children.is_empty() {
            break;
        }
        found.extend(children);
    }
    found.iter().map(|pid| all[pid].clone()).collect()
}

fn is_marked(process: &Process, marks: &Marks, listeners: &BTreeSet<String>) -> bool {
    let proc = PathBuf::from(format!("/proc/{}", process.pid));
    let environment = fs::read(proc.join("environ")).unwrap_or_default();
    if environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == marks.environment.as_bytes())
    {
        return true;
    }
    // A test itself may be a thread with these names in its own command line; its pid is excluded above.
    if marks
        .folders
        .iter()
        .any(|folder| process.command.contains(&*folder.to_string_lossy()))
    {
        return true;
    }
    let Ok(files) = fs::read_dir(proc.join("fd")) else {
        return false;
    };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|target| {
            listeners.contains(&*target.to_string_lossy())
                || marks
                    .folders
                    .iter()
                    .any(|folder| target.starts_with(folder))
        })
}

/// The sockets that listen on these ports, as /proc/PID/fd names them.
fn listening_sockets(ports: &[u16]) -> BTreeSet<String> {
    let mut sockets = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table)
            .unwrap_or_default()
            .lines()
            .skip(1)
        {
            let fields: Vec<_> = line.split_whitespace().collect();
            let port = fields[1]
                .rsplit(':')
                .next()
                .and_then(|port| u16::from_str_radix(port, 16).ok());
            if fields[3] == "0A" && port.is_some_and(|port| ports.contains(&port)) {
                sockets.insert(format!("socket:[{}]", fields[9]));
            }
        }
    }
    sockets
}

/// Kills all processes of the family, also those that are forked meanwhile.
pub(crate) fn end_all(root: Option<&Process>, marks: &Marks) {
    let ended = poll(Duration::from_secs(5), || {
        let left = family(root, marks);
        for process in &left {
            process.signal(Signal::SIGCONT);
            process.signal(Signal::SIGKILL);
        }
        left.is_empty().then_some(())
    });
    assert!(
        ended.is_some() || std::thread::panicking(),
        "processes outlive SIGKILL: {:?}",
        family(root, marks)
    );
}

/// Whether a file of this name is in any folder of a PATH.
pub(crate) fn on_path(path: &str, name: &str) -> Option<PathBuf> {
    path.split(':')
        .map(|folder| Path::new(folder).join(name))
        .find(|file| !file.as_os_str().as_bytes().is_empty() && file.is_file())
}
