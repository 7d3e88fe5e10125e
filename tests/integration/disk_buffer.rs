//! `disk_buffer_size`, and a disk that is full: only requests that need the disk are refused, and only as long as it has
//! no room.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::connection::Connection;
use crate::http::{Request, TIMEOUT};
use crate::launcher::Launcher;
use crate::refusals::{
    ask_with_head_only, assert_refused, begin, counted_as, finish, reasons_after_stop, upload,
    wait_for_calm,
};
use crate::running::Running;
use crate::service::Service;
use crate::wait::{pass_time, until};

const SOON: Duration = Duration::from_secs(20);

/// Half of 16 MiB is for bodies: 27 of up to 100,000 bytes, 2 of up to 1,000,000, 1 of up to 1,500,000.
fn service() -> Service {
    Service::new().nginx_config(&json!({
        "wsgi_worker_threads_count": 2,
        "disk_buffer_size": "16m",
        "max_body_size": 1_500_000
    }))
}

fn chunked() -> Request {
    Request::new("POST", "/post").header("Transfer-Encoding", "chunked")
}

fn status_for_body(running: &Running, length: usize) -> Option<u16> {
    let request = Request::post("/post", vec![b'x'; length]).header("Connection", "close");
    let answer = running.send(&request).ok()?;
    assert!(answer.status != 200 || answer.text() == length.to_string());
    Some(answer.status)
}

#[track_caller]
fn assert_takes(running: &Running, length: usize) {
    assert_eq!(
        status_for_body(running, length),
        Some(200),
        "{length} bytes"
    );
}

/// nginx gives a place back a moment after the client has the answer.
#[track_caller]
fn wait_until_it_takes(running: &Running, length: usize) {
    until(SOON, "a place for the body", || {
        (status_for_body(running, length) == Some(200)).then_some(())
    });
}

#[test]
fn a_body_without_a_place_is_refused_before_it_is_sent() {
    let mut running = Launcher::new(&service()).start_ready();
    let mut held = begin(&running, &upload(500_000), 2);
    assert_refused(&ask_with_head_only(&running, &upload(100_000)));
    assert_refused(&ask_with_head_only(&running, &upload(999_999)));
    // The other sizes have places of their own; small bodies and requests without one need none.
    for length in [1, 9_999, 10_000, 99_999, 1_000_000] {
        assert_takes(&running, length);
    }
    wait_until_it_takes(&running, 1_500_000);
    running.get_ok("/version");
    // The place comes back with the answer, and when the client leaves.
    let answer = finish(&mut held[0], 500_000).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "500000"));
    wait_until_it_takes(&running, 500_000);
    drop(held);
    wait_for_calm(&running);
    let mut both = begin(&running, &upload(500_000), 2);
    for connection in &mut both {
        assert_eq!(finish(connection, 500_000).unwrap().status, 200);
    }
    assert!(counted_as(&running, "disk_full") >= 2);
    let reasons = reasons_after_stop(&mut running, 503);
    assert_eq!(reasons.keys().collect::<Vec<_>>(), ["disk_full"]);
}

#[test]
fn a_body_of_unknown_length_counts_as_the_largest() {
    let mut running = Launcher::new(&service()).start_ready();
    let held = begin(&running, &chunked(), 1);
    assert_refused(&ask_with_head_only(&running, &chunked()));
    assert_refused(&ask_with_head_only(&running, &upload(1_200_000)));
    // However it is written.
    let zeros = Request::new("POST", "/post").header("Content-Length", "0000000500");
    assert_refused(&ask_with_head_only(&running, &zeros));
    assert_takes(&running, 500_000);
    drop(held);
    wait_until_it_takes(&running, 1_200_000);
    let reasons = reasons_after_stop(&mut running, 503);
    assert_eq!(reasons.keys().collect::<Vec<_>>(), ["disk_full"]);
}

#[test]
fn a_small_class_has_as_many_places_as_fit() {
    let running = Launcher::new(&service()).start_ready();
    let held = begin(&running, &upload(50_000), 27);
    assert_refused(&ask_with_head_only(&running, &upload(50_000)));
    assert_takes(&running, 500_000);
    drop(held);
    wait_until_it_takes(&running, 50_000);
}

/// A client that asks for this and reads nothing.
fn deaf_client(running: &Running, path: &str) -> Connection {
    let mut connection = running.connect();
    let head = Request::get(path).head();
    connection
        .write(head.as_bytes(), Instant::now() + TIMEOUT)
        .unwrap();
    connection
}

/// On a file system of its own, where nobody else writes.
#[test]
fn large_responses_are_refused_while_slow_clients_fill_the_disk_buffer() {
    let launcher = Launcher::new(&service()).on_a_disk_of(64);
    let mut running = launcher.start_ready();
    let large = Request::get("/big/1000000").header("Connection", "close");
    assert_eq!(running.send_ok(&large).body.len(), 1_000_000);
    // An eighth of 16 MiB is full after the first of them, or the second.
    let mut deaf = Vec::new();
    let refused = until(Duration::from_secs(30), "the buffer is full", || {
        if deaf.len() < 8 {
            deaf.push(deaf_client(&running, "/big/3000000"));
        }
        let answer = running.send(&large).unwrap();
        (answer.status != 200).then_some(answer)
    });
    assert_refused(&refused);
    for small in ["/version", "/big/200000", "/text/200000", "/stream/10"] {
        running.get_ok(small);
    }
    assert_takes(&running, 500_000);
    assert!(counted_as(&running, "disk_full") >= 1);
    drop(deaf);
    until(SOON, "large responses are taken again", || {
        let answer = running.send(&large).ok()?;
        (answer.status == 200 && answer.body.len() == 1_000_000).then_some(())
    });
    running.log.wait_for_text("has room again");
    let reasons = reasons_after_stop(&mut running, 503);
    assert_eq!(reasons.keys().collect::<Vec<_>>(), ["disk_full"]);
}

/// The application, the log and others may use the same file system.
#[test]
fn what_others_write_to_the_disk_refuses_no_response() {
    let launcher = Launcher::new(&service()).on_a_disk_of(64);
    let mut running = launcher.start_ready();
    let path = running.own_runtime().join("of-another");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // More than an eighth of the disk buffer, again and again.
            while !stop.load(Ordering::Relaxed) {
                fs::write(&path, vec![b'x'; 8_000_000]).unwrap();
                pass_time(Duration::from_millis(70));
                fs::remove_file(&path).unwrap();
                pass_time(Duration::from_millis(70));
            }
        });
        let large = Request::get("/big/300000").header("Connection", "close");
        let statuses: Vec<_> = (0..200)
            .map(|_| running.send(&large).map_or(0, |answer| answer.status))
            .collect();
        stop.store(true, Ordering::Relaxed);
        let refused = statuses.iter().filter(|status| **status != 200).count();
        assert_eq!(refused, 0, "of {}", statuses.len());
    });
    running.stop(SOON);
    assert!(!running.log.contains("Slow clients have filled"));
}

/// Takes all space of a file system, and gives it back when it is dropped.
struct Filler {
    file: File,
    path: PathBuf,
}

impl Filler {
    fn in_folder(folder: &Path) -> Self {
        let path = folder.join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        Self { file, path }
    }

    fn remove(self) {
        drop(self.file);
        fs::remove_file(self.path).unwrap();
    }
}

#[test]
fn requests_that_need_a_full_disk_get_503_and_others_go_on() {
    let service = Service::with_slots(2).file("src/static/rum.txt", "rum");
    let mut running = Launcher::new(&service).on_a_small_disk().start_ready();
    assert_takes(&running, 300_000);
    let filler = Filler::in_folder(&running.own_runtime());
    let body = Request::post("/post?note=refused", vec![b'x'; 300_000]);
    assert_refused(&running.send(&body).unwrap());
    let as_json = body.clone().header("Accept", "application/json");
    assert_eq!(running.send(&as_json).unwrap().json()["status"], 503);
    let mut chunks = format!("{:x}\r\n", 300_000);
    chunks.push_str(&"x".repeat(300_000));
    chunks.push_str("\r\n0\r\n\r\n");
    let unknown_length = chunked().head() + &chunks;
    assert_refused(&running.send_bytes("POST", unknown_length).unwrap());
    assert_eq!(service.noted("refused"), 0);
    // Small bodies stay in memory, and so do responses that the client takes.
    assert_takes(&running, 9_000);
    running.get_ok("/static/rum.txt");
    for length in [1_000, 200_000, 5_000_000] {
        let path = format!("/big/{length}");
        assert_eq!(running.get_ok(&path).body.len(), length);
    }
    filler.remove();
    wait_until_it_takes(&running, 300_000);
    let reasons = reasons_after_stop(&mut running, 503);
    assert_eq!(reasons, [("disk_full".to_owned(), 3)].into());
    let hints = running
        .log
        .filter(|line| line.is_from("nginx.error") && line.message().contains("hint: disk full"));
    assert!(!hints.is_empty());
}

/// On a disk that was large enough for them when the service started.
#[test]
fn a_full_disk_cuts_no_response() {
    let launcher = Launcher::new(&Service::with_slots(2)).on_a_disk_of(64);
    let running = launcher.start_ready();
    let filler = Filler::in_folder(&running.own_runtime());
    // The launcher looks ten times a second.
    until(SOON, "the launcher to notice", || {
        running
            .own_runtime()
            .join("disk-full")
            .exists()
            .then_some(())
    });
    let large = Request::get("/big/3000000").header("Connection", "close");
    for _ in 0..10 {
        let answer = running.send(&large).unwrap();
        if answer.status == 200 {
            assert_eq!(answer.body.len(), 3_000_000);
        } else {
            assert_refused(&answer);
        }
    }
    filler.remove();
    until(SOON, "a large response", || {
        let answer = running.send(&large).ok()?;
        (answer.status == 200).then_some(())
    });
}
