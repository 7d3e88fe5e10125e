//! Kinds of stdout: pipe, socket, terminal, file, closed, broken, full. The service runs with each of them.

use std::fs::{File, OpenOptions};
use std::io::{Seek, pipe};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::account::{assert_logged_once, tell};
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const CLIENTS: usize = 4;
const REQUESTS: usize = 500;

#[track_caller]
fn log_all_numbers(running: &Running) {
    let told = tell(running, "GET", CLIENTS, 0..REQUESTS, |_| {});
    assert_eq!(told.len(), REQUESTS);
}

#[track_caller]
fn assert_log_is_complete(mut running: Running) {
    log_all_numbers(&running);
    running.stop(Duration::from_secs(15));
    assert_logged_once(&running.log, 0..REQUESTS);
    let last = running.log.last().unwrap();
    assert_eq!(last.message(), "Stopped, as asked.");
}

#[test]
fn a_pipe() {
    assert_log_is_complete(Launcher::new(&Service::with_slots(2)).start_ready());
}

#[test]
fn a_socket() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut running = Launcher::new(&Service::with_slots(2))
        .stdout(theirs)
        .start_ready();
    running.read_stdout(ours);
    assert_log_is_complete(running);
}

#[test]
fn a_terminal() {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let launcher = Launcher::new(&Service::with_slots(2)).stdout(terminal.slave);
    let mut running = launcher.start_ready();
    running.read_stdout(File::from(terminal.master));
    assert_log_is_complete(running);
}

#[test]
fn a_file() {
    let mut file = tempfile::tempfile().unwrap();
    let launcher = Launcher::new(&Service::with_slots(2)).stdout(file.try_clone().unwrap());
    let mut running = launcher.start_ready();
    log_all_numbers(&running);
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
    assert_logged_once(&running.log, 0..REQUESTS);
}

/// Asserts that a launcher with an unusable stdout serves and stops.
#[track_caller]
fn assert_serves_without_log(mut running: Running, complaint: Option<&str>) {
    log_all_numbers(&running);
    let log = running.status()["log"].clone();
    let log_counter = |name: &str| log[name].as_u64().unwrap();
    let sum = log_counter("delivered") + log_counter("dropped") + log_counter("buffered");
    assert_eq!(sum, log_counter("produced"), "{log}");
    running.stop(Duration::from_secs(15));
    match complaint {
        Some(words) => assert!(running.log.contains(words), "{}", running.log.tail(9)),
        None => assert_eq!(running.log.lines().len(), 0, "{}", running.log.tail(9)),
    }
}

#[test]
fn a_closed_stdout() {
    let launcher = Launcher::new(&Service::with_slots(2));
    let running = launcher
        .through(&["sh", "-c", "exec \"$@\" >&-", "sh"])
        .start_ready();
    assert_serves_without_log(running, None);
}

#[test]
fn a_pipe_without_a_reader() {
    let (reader, writer) = pipe().unwrap();
    let running = Launcher::new(&Service::with_slots(2))
        .stdout(writer)
        .start_ready();
    drop(reader);
    assert_serves_without_log(running, Some("were lost"));
}

#[test]
fn a_full_disk() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let running = Launcher::new(&Service::with_slots(2))
        .stdout(full)
        .start_ready();
    assert_serves_without_log(running, Some("were lost"));
}
