//! What nginx changes in requests and responses.

use serde_json::json;

use crate::connection::Connection;
use crate::http::{Request, TIMEOUT, Target};
use crate::launcher::Launcher;
use crate::load::parallel;
use crate::running::Running;
use crate::service::Service;
use std::time::{Duration, Instant};

/// The request id that the application received, and the one that the client received.
fn ids(running: &Running, request: &Request) -> (String, String) {
    let answer = running.send_ok(request);
    let seen = answer.json()["environ"]["HTTP_X_REQUEST_ID"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (
        seen,
        answer.header("X-Request-ID").unwrap_or_default().to_owned(),
    )
}

fn is_valid(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=128).contains(&id.len()) && id.chars().all(allowed)
}

#[test]
fn a_valid_request_id_is_kept() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    for id in ["a", "A-b_c.9", &"x".repeat(128), "-", "..."] {
        let request = Request::get("/headers").header("X-Request-ID", id);
        assert_eq!(ids(&running, &request), (id.to_owned(), id.to_owned()));
    }
}

#[test]
fn any_other_request_id_is_replaced() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let too_long = "x".repeat(129);
    for id in [
        "",
        "with space",
        "a\"b",
        "a,b",
        "a:b",
        "\u{e9}",
        "a;b",
        "$request_id",
        &too_long,
    ] {
        let (seen, got) = ids(
            &running,
            &Request::get("/headers").header("X-Request-ID", id),
        );
        assert_eq!(seen, got);
        assert_ne!(got, id);
        assert!(is_valid(&got), "{id:?} became {got:?}");
    }
    let fresh: Vec<_> = (0..3)
        .map(|_| ids(&running, &Request::get("/headers")).1)
        .collect();
    assert!(
        fresh.iter().all(|id| is_valid(id)) && fresh[0] != fresh[1] && fresh[1] != fresh[2],
        "{fresh:?}"
    );
}

#[test]
fn every_response_has_its_request_id() {
    let service = Service::with_slots(2).file("src/static/a.txt", "a");
    let running = Launcher::new(&service).start_ready();
    for path in [
        "/",
        "/boom",
        "/no-such-page",
        "/static/a.txt",
        "/static/missing",
    ] {
        let answer = running
            .send(&Request::get(path).header("X-Request-ID", "kept.1"))
            .unwrap();
        assert_eq!(answer.header("X-Request-ID"), Some("kept.1"), "{path}");
        let count = answer
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"))
            .count();
        assert_eq!(count, 1, "{path}: {:?}", answer.headers);
    }
}

#[test]
fn no_response_reveals_a_version() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    for path in [
        "/",
        "/no-such-page",
        "/static/missing",
        &format!("/{}", "x".repeat(20_000)),
    ] {
        let answer = running.get(path).unwrap();
        let server = answer.header("Server").unwrap_or_default();
        assert!(
            !server.contains(|c: char| c.is_ascii_digit()),
            "{path}: {server}"
        );
        assert!(
            !answer.text().contains("nginx/"),
            "{path}: {}",
            answer.text()
        );
        assert_eq!(answer.header("X-Powered-By"), None);
    }
}

fn forwarded() -> Request {
    Request::get("/headers")
        .header("X-Forwarded-For", "203.0.113.7")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "rum.example.org")
        .header("X-Forwarded-Ssl", "on")
        .header("X-Forwarded-Scheme", "https")
        .header("X-Forwarded-Protocol", "https")
        .header("X-Forwarded-Server", "rum.example.org")
        .header("X-Forwarded-By", "203.0.113.7")
        .header("X-Forwarded-Path", "/rum.example.org")
        .header("Connection", "close")
}

#[test]
fn forwarded_headers_of_untrusted_senders_are_dropped() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let seen = running.send_ok(&forwarded()).json();
    for told in ["203.0.113.7", "rum.example.org", "https"] {
        assert!(
            !seen.to_string().contains(told),
            "{told} is believed: {seen}"
        );
    }
    assert_eq!(seen["remote_addr"], "127.0.0.1");
    assert_eq!(seen["environ"]["wsgi.url_scheme"], "http", "{seen}");
}

#[test]
fn forwarded_headers_of_trusted_proxies_are_used() {
    let section = json!({"wsgi_worker_threads_count": 2, "trusted_proxies": ["127.0.0.0/8"]});
    let running = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    let seen = running
        .send_ok(&forwarded().header("X-Request-ID", "trusted.1"))
        .json();
    assert_eq!(seen["remote_addr"], "203.0.113.7", "{seen}");
    assert_eq!(seen["environ"]["wsgi.url_scheme"], "https", "{seen}");
    assert!(
        seen["url"]
            .as_str()
            .unwrap()
            .starts_with("https://rum.example.org/"),
        "{seen}"
    );
    let line = running.log.wait_for("the access record", |line| {
        line.str("request_id") == "trusted.1"
    });
    assert_eq!(line.str("remote_addr"), "203.0.113.7");
}

#[test]
fn only_trusted_hops_are_skipped() {
    let section =
        json!({"wsgi_worker_threads_count": 2, "trusted_proxies": ["127.0.0.1/32", "10.0.0.0/8"]});
    let running = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    let chain =
        Request::get("/headers").header("X-Forwarded-For", "1.2.3.4, 203.0.113.7, 10.1.2.3");
    assert_eq!(running.send_ok(&chain).json()["remote_addr"], "203.0.113.7");
}

#[test]
fn headers_that_imitate_the_servers_own_are_dropped() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let request = Request::get("/headers")
        .header("Proxy", "http://203.0.113.9/")
        .header("X_Request_ID", "underscore")
        .header("X_Forwarded_For", "203.0.113.7");
    let seen = running.send_ok(&request).json().to_string();
    for posed in ["203.0.113.9", "203.0.113.7", "underscore"] {
        assert!(!seen.contains(posed), "{posed} arrives: {seen}");
    }
}

#[test]
fn a_body_of_unknown_length_arrives() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let mut connection = Connection::open(&Target::from(running.address), TIMEOUT).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let request = b"POST /post HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    connection.write(request, deadline).unwrap();
    let answer = connection.read_response("POST", deadline).unwrap();
    assert_eq!((answer.status, answer.text().as_ref()), (200, "11"));
}

#[test]
fn a_body_above_the_limit_is_413() {
    let section = json!({"wsgi_worker_threads_count": 2, "max_body_size": "64k"});
    let running = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    assert_eq!(
        running
            .send_ok(&Request::post("/post", vec![b'x'; 64 * 1024]))
            .text(),
        "65536"
    );
    let answer = running
        .send(&Request::post("/post", vec![b'x'; 64 * 1024 + 1]))
        .unwrap();
    assert_eq!(answer.status, 413);
    assert!(
        answer.header("X-Request-ID").is_some_and(is_valid),
        "{:?}",
        answer.headers
    );
    // The same without Content-Length.
    let mut connection = Connection::open(&Target::from(running.address), TIMEOUT).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let head = b"POST /post HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.write(head, deadline).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 32 * 1024, "x".repeat(32 * 1024));
    for _ in 0..3 {
        // nginx may respond and close before the last chunk.
        let _ = connection.write(chunk.as_bytes(), deadline);
    }
    assert_eq!(
        connection.read_response("POST", deadline).unwrap().status,
        413
    );
}

#[test]
fn a_cookie_of_5_kb_arrives() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let cookie = format!("session={}", "x".repeat(5_000));
    let seen = running
        .send_ok(&Request::get("/headers").header("Cookie", cookie.as_str()))
        .json();
    assert_eq!(seen["environ"]["HTTP_COOKIE"], cookie.as_str());
}

#[test]
fn a_header_of_20_kb_is_refused_with_an_answer() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let answer = running
        .send(&Request::get("/").header("Cookie", "x".repeat(20_000)))
        .unwrap();
    assert!(matches!(answer.status, 400 | 431), "{}", answer.status);
    assert!(
        answer.header("X-Request-ID").is_some_and(is_valid),
        "{:?}",
        answer.headers
    );
}

#[test]
fn an_unread_body_does_no_harm() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let statuses = parallel(4, |_| {
        let request =
            Request::post("/post-ignored", vec![b'x'; 1_000_000]).header("Connection", "close");
        (0..10)
            .map(|_| {
                running
                    .send(&request)
                    .map(|answer| answer.status)
                    .map_err(|failure| failure.to_string())
            })
            .collect::<Vec<_>>()
    });
    let failed: Vec<_> = statuses
        .into_iter()
        .flatten()
        .filter(|status| *status != Ok(200))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn text_is_compressed_when_accepted() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let ask = |path: &str| running.send_ok(&Request::get(path).header("Accept-Encoding", "gzip"));
    assert_eq!(ask("/text/20000").header("Content-Encoding"), Some("gzip"));
    assert!(ask("/text/20000").body.len() < 2_000);
    assert_eq!(ask("/big/20000").header("Content-Encoding"), None);
    assert_eq!(running.get_ok("/text/20000").body.len(), 20_000);
    let section = json!({"wsgi_worker_threads_count": 2, "gzip": false});
    let plain = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    let answer = plain.send_ok(&Request::get("/text/20000").header("Accept-Encoding", "gzip"));
    assert_eq!(answer.header("Content-Encoding"), None);
}

#[test]
fn streams_and_large_responses_are_complete() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let streamed = running.get_ok("/stream/1000").text();
    assert_eq!(streamed.lines().count(), 1000);
    assert_eq!(running.get_ok("/big/30000000").body.len(), 30_000_000);
    let large = Request::post("/post", vec![b'x'; 10_000_000]);
    assert_eq!(running.send_ok(&large).text(), "10000000");
}

#[test]
fn snippets_of_the_service_are_included() {
    let service = Service::with_slots(2)
        .file(
            "nginx/server.d/a.conf",
            "location = /grog { return 200 \"grog\"; }\n",
        )
        .file(
            "nginx/http.d/b.conf",
            "map $http_x_taste $taste { default plain; dark dark; }\n",
        )
        .file(
            "nginx/server.d/c.conf",
            "location = /taste { return 200 $taste; }\n",
        )
        .file("nginx/server.d/ignored.txt", "no directive\n");
    let running = Launcher::new(&service).start_ready();
    assert_eq!(running.get_ok("/grog").text(), "grog");
    assert_eq!(
        running
            .send_ok(&Request::get("/taste").header("X-Taste", "dark"))
            .text(),
        "dark"
    );
}
