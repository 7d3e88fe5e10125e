//! Whatever stdout is: the log arrives where it can, and the service runs where it cannot.

use std::fs::{File, OpenOptions};
use std::io::{Seek, pipe};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::account::{assert_told_once, tell};
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const CLIENTS: usize = 4;
const REQUESTS: usize = 500;

#[track_caller]
fn tell_all(running: &Running) {
    let told = tell(running, "GET", CLIENTS, 0..REQUESTS, |_| {});
    assert_eq!(told.len(), REQUESTS);
}

#[track_caller]
fn arrives(mut running: Running) {
    tell_all(&running);
    running.stop(Duration::from_secs(15));
    assert_told_once(&running.log, 0..REQUESTS);
    let last = running.log.last().unwrap();
    assert_eq!(last.message(), "Stopped, as asked.");
}

#[test]
fn a_pipe() {
    arrives(Launcher::new(&Service::with_slots(2)).start_ready());
}

#[test]
fn a_socket() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut running = Launcher::new(&Service::with_slots(2))
        .stdout(theirs)
        .start_ready();
    running.read_stdout(ours);
    arrives(running);
}

#[test]
fn a_terminal() {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let launcher = Launcher::new(&Service::with_slots(2)).stdout(terminal.slave);
    let mut running = launcher.start_ready();
    running.read_stdout(File::from(terminal.master));
    arrives(running);
}

#[test]
fn a_file() {
    let mut file = tempfile::tempfile().unwrap();
    let launcher = Launcher::new(&Service::with_slots(2)).stdout(file.try_clone().unwrap());
    let mut running = launcher.start_ready();
    tell_all(&running);
    running.stop(Duration::from_secs(15));
    file.rewind().unwrap();
    running.read_stdout(file);
    until(Duration::from_secs(20), "the file is read", || {
        running
            .readers
            .iter()
            .all(std::thread::JoinHandle::is_finished)
            .then_some(())
    });
    assert_told_once(&running.log, 0..REQUESTS);
}

/// A launcher started with this redirection serves, and ends as asked.
#[track_caller]
fn serves_without(mut running: Running, complaint: Option<&str>) {
    tell_all(&running);
    let log = running.status()["log"].clone();
    let figure = |name: &str| log[name].as_u64().unwrap();
    let sum = figure("delivered") + figure("dropped") + figure("buffered");
    assert_eq!(sum, figure("produced"), "{log}");
    running.stop(Duration::from_secs(15));
    match complaint {
        Some(words) => assert!(running.log.contains(words), "{}", running.log.tail(9)),
        None => assert_eq!(running.log.lines().len(), 0, "{}", running.log.tail(9)),
    }
}

#[test]
fn none_at_all() {
    let launcher = Launcher::new(&Service::with_slots(2));
    let running = launcher
        .through(&["sh", "-c", "exec \"$@\" >&-", "sh"])
        .start_ready();
    serves_without(running, None);
}

#[test]
fn a_reader_that_has_gone() {
    let (reader, writer) = pipe().unwrap();
    let running = Launcher::new(&Service::with_slots(2))
        .stdout(writer)
        .start_ready();
    drop(reader);
    serves_without(running, Some("were lost"));
}

#[test]
fn a_full_disk() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let running = Launcher::new(&Service::with_slots(2))
        .stdout(full)
        .start_ready();
    serves_without(running, Some("were lost"));
}
