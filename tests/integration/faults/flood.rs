//! Faults: clients that send much of what is cheap for them.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use crate::connection::Connection;
use crate::http::{Request, Response, TIMEOUT};
use crate::refusals::upload;
use crate::wait::until;

use super::{CALM, Scene};

/// Bytes of the static file that is asked for in pieces.
pub(super) const FILE: usize = 100_000;
/// The load goes on between two steps of an attack, which also paces the attack.
const STEP: usize = 5;
const SOON: Duration = Duration::from_secs(30);

fn let_others_ask(scene: &Scene) {
    scene.load.wait_for_requests(STEP, SOON);
}

fn connect_and_write(scene: &Scene, bytes: &[u8]) -> Connection {
    let mut connection = scene.running.connect();
    connection.write(bytes, Instant::now() + TIMEOUT).unwrap();
    connection
}

/// A connection that a reset ends when it is dropped: it leaves no port behind that waits for a minute.
fn short_connection(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).unwrap();
    let at_once = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, sockopt::Linger, &at_once).unwrap();
    stream
}

pub(super) fn opened_and_dropped(scene: &mut Scene) {
    for _ in 0..100 {
        let some: Vec<_> = (0..100)
            .map(|_| short_connection(scene.running.address))
            .collect();
        drop(some);
        let_others_ask(scene);
    }
}

/// 600 connections that end within the request line, the headers and the body.
pub(super) fn half_requests(scene: &mut Scene) {
    let body = upload(1_000).head() + "x";
    let halves = [
        "GET /ver",
        "GET /version HTTP/1.1\r\nHost: localho",
        body.as_str(),
    ];
    let mut held = Vec::new();
    for _ in 0..20 {
        for half in halves {
            held.extend((0..10).map(|_| connect_and_write(scene, half.as_bytes())));
        }
        let_others_ask(scene);
    }
    scene.load.wait_for_requests(CALM, SOON);
    drop(held);
}

/// Each request of a connection is answered, in order, although all are there at once.
pub(super) fn pipelined(scene: &mut Scene) {
    const REQUESTS: usize = 50;
    for attempt in 0..6 {
        let id = |number: usize| format!("pipelined.{attempt}.{number}");
        // Static files, the application, and nginx's own answers.
        let path = |number: usize| ["/version", "/static/flood.bin", "/static/.hidden"][number % 3];
        let requests: String = (0..REQUESTS)
            .map(|number| Request::get(path(number)).header("X-Request-ID", id(number)))
            .map(|request| request.head())
            .collect();
        let mut connection = connect_and_write(scene, requests.as_bytes());
        for number in 0..REQUESTS {
            let answer = connection
                .read_response("GET", Instant::now() + TIMEOUT)
                .unwrap();
            assert_eq!(answer.header("X-Request-ID"), Some(id(number).as_str()));
            assert_eq!(answer.status, [200, 200, 404][number % 3]);
        }
    }
}

/// Very many pieces of a file in one request: the answer is not much larger than the file.
pub(super) fn range_flood(scene: &mut Scene) {
    let floods = ["0-,", "-1,", "0-0,", "5-6,"];
    for (number, piece) in floods.iter().cycle().take(40).enumerate() {
        let ranges = piece.repeat(7_000 / piece.len());
        let request = Request::get("/static/flood.bin")
            .header("Range", format!("bytes={}", ranges.trim_end_matches(',')))
            .header("Connection", "close");
        let Response { status, body, .. } = scene.running.send(&request).unwrap();
        assert!([200, 206, 416].contains(&status), "{status}");
        assert!(
            body.len() < FILE * 5,
            "{number}: {} bytes for {piece}",
            body.len()
        );
    }
}

/// Uploads that break off in the middle reach no slot, and their places on the disk are free again.
pub(super) fn broken_uploads(scene: &mut Scene) {
    const LENGTH: usize = 500_000;
    let head = upload(LENGTH).header("X-Broken", "yes").head();
    let mut begun = head.into_bytes();
    begun.resize(begun.len() + LENGTH / 2, b'x');
    for _ in 0..200 {
        let mut connection = scene.running.connect();
        // It may have been refused: there is room for two of them, and a broken one has its place for a moment.
        let _ = connection.write(&begun, Instant::now() + TIMEOUT);
        drop(connection);
        let_others_ask(scene);
    }
    until(SOON, "an upload is taken", || {
        let whole = Request::post("/post", vec![b'x'; LENGTH]).header("Connection", "close");
        let answer = scene.running.send(&whole).ok()?;
        (answer.status == 200).then_some(())
    });
}
