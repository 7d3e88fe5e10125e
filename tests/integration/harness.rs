//! Tests of the harness itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::family::{Marks, Process, end_all, family};
use crate::http::{Failure, Request, Target, get};
use crate::load::{Clients, Load, parallel};
use crate::log::{Log, Stream};
use crate::port::free_port;
use crate::wait::{poll, until};

/// Sends these responses on each connection, one for each request head that it reads, and then closes it.
fn server(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                for answer in answers {
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read(&mut byte).unwrap_or(0) == 0 {
                            return;
                        }
                        head.push(byte[0]);
                    }
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-ID: a1\r\n\r\nok";

#[test]
fn reads_content_length_and_headers() {
    let response = get(server(&[OK]), "/").unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    assert_eq!(response.header("x-request-id"), Some("a1"));
}

#[test]
fn reads_chunks() {
    let address = server(&[
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
    ]);
    assert_eq!(get(address, "/").unwrap().text(), "abc");
}

#[test]
fn reads_to_the_end_without_a_length() {
    assert_eq!(
        get(server(&["HTTP/1.0 502 Bad\r\n\r\nrest"]), "/")
            .unwrap()
            .text(),
        "rest"
    );
}

#[test]
fn a_truncated_response_is_a_failure() {
    let cut = get(
        server(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"]),
        "/",
    );
    assert!(matches!(cut, Err(Failure::Closed { got: 5 })), "{cut:?}");
    let empty = get(server(&[]), "/");
    assert!(
        matches!(
            empty,
            Err(Failure::Closed { got: 0 } | Failure::Broken { .. })
        ),
        "{empty:?}"
    );
}

#[test]
fn no_response_is_a_timeout_and_no_listener_is_a_refusal() {
    let silent = Request::get("/")
        .timeout(Duration::from_millis(50))
        .send(server(&["", ""]));
    assert!(matches!(silent, Err(Failure::Timeout)), "{silent:?}");
    let refused = get(SocketAddr::from(([127, 0, 0, 1], free_port())), "/");
    assert!(matches!(refused, Err(Failure::Connect(_))), "{refused:?}");
}

#[test]
fn reuses_a_connection_and_detects_its_end() {
    let mut connection =
        Connection::open(&Target::Tcp(server(&[OK, OK])), Duration::from_secs(5)).unwrap();
    for _ in 0..2 {
        assert_eq!(connection.send(&Request::get("/")).unwrap().status, 200);
    }
    until(Duration::from_secs(5), "the server's close is seen", || {
        (!connection.is_reusable()).then_some(())
    });
}

#[test]
fn load_counts_failures_with_their_reasons() {
    let address = server(&[OK, "HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"]);
    for kind in [Clients::KeepAlive, Clients::Fresh] {
        let load = Load::start(address, 2, kind, &Request::get("/"));
        load.wait_for_requests(20, Duration::from_secs(10));
        let outcome = load.stop();
        assert!(outcome.sent() >= 20);
        let expected = if kind == Clients::Fresh {
            0
        } else {
            outcome.sent() / 2
        };
        assert!(
            outcome.failed().abs_diff(expected) <= 2,
            "{kind:?}: {} of {}",
            outcome.failed(),
            outcome.sent()
        );
        assert_eq!(
            outcome.reasons().contains("status 502"),
            kind == Clients::KeepAlive
        );
        assert!(outcome.p99() <= outcome.longest());
    }
}

#[test]
fn parallel_work_is_simultaneous_and_in_order() {
    let barrier = std::sync::Barrier::new(7);
    let results = parallel(7, |i| {
        // The barrier opens only when all seven threads wait at the same time.
        barrier.wait();
        i
    });
    assert_eq!(results, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn finds_and_ends_orphans_by_their_marks() {
    let mark = format!("self-test-{}", free_port());
    let marks = Marks {
        environment: format!("LAUNCHER_TEST_MARK={mark}"),
        folders: Vec::new(),
        ports: Vec::new(),
    };
    // The children survive the shell; one of them has children itself.
    let mut shell = std::process::Command::new("sh")
        .args(["-c", "sleep 600 & sh -c 'sleep 600; true' & exit 0"])
        .env("LAUNCHER_TEST_MARK", &mark)
        .spawn()
        .unwrap();
    shell.wait().unwrap();
    until(Duration::from_secs(5), "three orphans", || {
        (family(None, &marks).len() == 3).then_some(())
    });
    end_all(None, &marks);
    assert_eq!(family(None, &marks).len(), 0);
}

#[test]
fn a_listener_is_found_by_its_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = "import socket, sys, time; s = socket.socket(fileno=0); time.sleep(600)";
    let mut child = std::process::Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(
            listener,
        )))
        .spawn()
        .unwrap();
    let marks = Marks {
        environment: "LAUNCHER_TEST_MARK=none".to_owned(),
        folders: Vec::new(),
        ports: vec![port],
    };
    let pids: Vec<_> = family(None, &marks)
        .iter()
        .map(|process| process.pid)
        .collect();
    assert_eq!(pids, [i32::try_from(child.id()).unwrap()]);
    end_all(None, &marks);
    child.wait().unwrap();
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut child = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let process = Process::read(i32::try_from(child.id()).unwrap()).unwrap();
    assert!(process.is_alive());
    child.kill().unwrap();
    // Killed and not reaped yet: a zombie does not count as alive.
    process.wait_gone(Duration::from_secs(5));
    child.wait().unwrap();
}

#[test]
fn log_lines_are_unchanged() {
    let log = Log::default();
    log.collect(
        Stream::Stdout,
        &b"{\"source\":\"uwsgi\",\"message\":\"m\"}\nplain\n"[..],
    )
    .join()
    .unwrap();
    assert!(
        log.wait_for("uwsgi", |line| line.is_from("uwsgi"))
            .message()
            == "m"
    );
    assert_eq!(log.last().unwrap().text, "plain");
    assert_eq!(log.count("plain"), 1);
}

#[test]
fn a_wait_ends_at_its_deadline() {
    let started = Instant::now();
    assert_eq!(poll(Duration::from_millis(20), || None::<()>), None);
    assert!(started.elapsed() >= Duration::from_millis(20));
}
