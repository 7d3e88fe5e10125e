//! Faults: slow and idle clients, and exhausted resources.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::http::{Request, Target};
use crate::load::parallel;
use crate::refusals::assert_refused;
use crate::wait::pass_time;

use super::{CALM, SLOTS, Scene};

const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

fn connect(target: &Target, count: usize) -> Vec<Connection> {
    (0..count)
        .filter_map(|_| Connection::open(target, CLIENT_TIMEOUT).ok())
        .collect()
}

fn assert_keeps_serving(scene: &Scene) {
    scene.load.wait_for_requests(CALM, Duration::from_secs(30));
}

/// Fifty clients that send one byte per second.
pub(super) fn a_byte_a_second(scene: &mut Scene) {
    let mut slow = connect(&Target::from(scene.running.address), 50);
    for byte in b"GET" {
        for connection in &mut slow {
            connection
                .write(&[*byte], Instant::now() + CLIENT_TIMEOUT)
                .unwrap();
        }
        pass_time(Duration::from_secs(1));
    }
    assert_keeps_serving(scene);
}

/// The same with a body: nginx must not pass the request to a slot before it is complete.
pub(super) fn a_body_that_dawdles(scene: &mut Scene) {
    let mut slow = connect(&Target::from(scene.running.address), SLOTS * 2);
    for connection in &mut slow {
        let head =
            b"POST /post?note=dawdles HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx";
        connection
            .write(head, Instant::now() + CLIENT_TIMEOUT)
            .unwrap();
    }
    assert_keeps_serving(scene);
    assert_eq!(scene.service.noted("dawdles"), 0);
}

/// Twice as many clients as slots request large responses and never read them.
pub(super) fn never_read(scene: &mut Scene) {
    let mut deaf = connect(&Target::from(scene.running.address), SLOTS * 2);
    for connection in &mut deaf {
        let head = b"GET /big/20000000?note=deaf HTTP/1.1\r\nHost: localhost\r\n\r\n";
        connection
            .write(head, Instant::now() + CLIENT_TIMEOUT)
            .unwrap();
    }
    scene.service.wait_for_notes("deaf", deaf.len() as u64);
    assert_keeps_serving(scene);
}

pub(super) fn a_body_nobody_reads(scene: &mut Scene) {
    let statuses = parallel(4, |_| {
        let request =
            Request::post("/post-ignored", vec![b'x'; 1_000_000]).header("Connection", "close");
        let ask = || {
            scene
                .running
                .send(&request)
                .map(|answer| answer.status)
                .map_err(|failure| failure.to_string())
        };
        (0..10).map(|_| ask()).collect::<Vec<_>>()
    });
    let failed: Vec<_> = statuses
        .into_iter()
        .flatten()
        .filter(|status| *status != Ok(200))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

pub(super) fn a_header_of_20_kb(scene: &mut Scene) {
    for _ in 0..10 {
        let request = Request::get("/")
            .header("Cookie", "x".repeat(20_000))
            .header("Accept", "application/json");
        let answer = scene.running.send(&request).unwrap();
        assert!(matches!(answer.status, 400 | 431), "{}", answer.status);
        assert!(answer.header("X-Request-ID").is_some());
    }
}

pub(super) fn clients_that_hang_up(scene: &mut Scene) {
    for _ in 0..50 {
        let mut connection =
            Connection::open(&Target::from(scene.running.address), CLIENT_TIMEOUT).unwrap();
        let head = b"GET /delay/0.05 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        connection
            .write(head, Instant::now() + CLIENT_TIMEOUT)
            .unwrap();
    }
    assert_keeps_serving(scene);
}

/// More connections than there are file descriptors, to the service and to the admin port.
pub(super) fn no_descriptors_left(scene: &mut Scene) {
    let idle = connect(&Target::from(scene.running.address), 300);
    let admin = connect(&Target::from(scene.running.admin.unwrap()), 300);
    assert_keeps_serving(scene);
    drop((idle, admin));
    assert_keeps_serving(scene);
}

pub(super) fn disk_full(scene: &mut Scene) {
    let filler = scene.running.own_runtime().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    assert_keeps_serving(scene);
    // Requests that need the disk get an error response.
    let upload = scene
        .running
        .send(&Request::post("/post", vec![b'x'; 500_000]))
        .unwrap();
    assert_refused(&upload);
    let reload = scene
        .running
        .command(&["reload"])
        .runtime_dir(&scene.running.own_runtime())
        .output();
    assert!(
        matches!(reload.exit.code, Some(73 | 75)),
        "{:?}\n{}",
        reload.exit,
        reload.text()
    );
    // The space is free when no process has the file open.
    drop(file);
    fs::remove_file(&filler).unwrap();
    assert_eq!(
        scene
            .running
            .send_ok(&Request::post("/post", vec![b'x'; 500_000]))
            .text(),
        "500000"
    );
}
