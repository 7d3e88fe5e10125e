//! `max_connections_per_client`: one client address cannot take the places of all others, and clients that send slowly
//! take no slot.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::{background, parallel};
use crate::refusals::{
    assert_refused, begin, counted_as, finish, reasons_after_stop, upload, wait_for_calm,
};
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

/// The default limit of public addresses.
const DEFAULT: usize = 256;
/// Addresses of documentation networks (RFC 5737), which are public ones.
const CLIENT: &str = "203.0.113.7";
const OTHER_CLIENT: &str = "203.0.113.8";

fn service(section: &Value) -> Service {
    Service::new().nginx_config(section)
}

fn from(request: Request, client: &str) -> Request {
    request.header("X-Forwarded-For", client)
}

fn get(path: &str) -> Request {
    Request::get(path).header("Connection", "close")
}

#[track_caller]
fn assert_served(running: &Running, request: &Request) {
    let answer = running.send(request).unwrap();
    assert_eq!(answer.status, 200, "{request:?}: {}", answer.text());
}

/// nginx forgets a request a moment after its client has the answer.
#[track_caller]
fn wait_until_served(running: &Running, request: &Request) {
    until(Duration::from_secs(20), "a place is free again", || {
        let answer = running.send(request).ok()?;
        (answer.status == 200).then_some(())
    });
}

#[test]
fn further_requests_of_one_address_are_refused_until_one_ends() {
    let section = json!({"wsgi_worker_threads_count": 4, "max_connections_per_client": 3});
    let service = service(&section).file("src/static/rum.txt", "rum");
    let mut running = Launcher::new(&service).start_ready();
    // Connections without a request do not count.
    let mut idle: Vec<_> = (0..6).map(|_| running.connect()).collect();
    for connection in &mut idle {
        assert_eq!(connection.send(&Request::get("/")).unwrap().status, 200);
    }
    wait_for_calm(&running);
    let held: Vec<_> = (0..3)
        .map(|_| background(running.address, get("/until/go?note=held")))
        .collect();
    service.wait_for_notes("held", 3);
    for path in ["/version?note=refused", "/static/rum.txt"] {
        assert_refused(&running.send(&get(path)).unwrap());
    }
    assert_eq!(service.noted("refused"), 0);
    // Whoever may not ask is not disconnected, and may ask again.
    assert_refused(&idle[0].send(&Request::get("/")).unwrap());
    service.write("state/go", "");
    for request in held {
        assert_eq!(request.join().unwrap().unwrap().status, 200);
    }
    wait_until_served(&running, &get("/static/rum.txt"));
    assert_eq!(idle[0].send(&Request::get("/")).unwrap().status, 200);
    drop(idle);
    until(Duration::from_secs(20), "the refused are counted", || {
        (counted_as(&running, "too_many_connections") >= 3).then_some(())
    });
    let reasons = reasons_after_stop(&mut running, 503);
    assert_eq!(
        reasons.keys().collect::<Vec<_>>(),
        ["too_many_connections"],
        "{reasons:?}"
    );
}

#[test]
fn a_local_address_has_no_limit_unless_it_is_set() {
    let running = Launcher::new(&service(&json!({"wsgi_worker_threads_count": 2}))).start_ready();
    let held = begin(&running, &upload(100), DEFAULT + 10);
    assert_served(&running, &get("/version"));
    drop(held);
}

#[test]
fn a_public_address_has_the_default_limit_and_a_private_one_none() {
    let section = json!({"wsgi_worker_threads_count": 2, "trusted_proxies": ["127.0.0.0/8"]});
    let mut running = Launcher::new(&service(&section)).start_ready();
    let public = begin(&running, &from(upload(100), CLIENT), DEFAULT);
    assert_refused(&running.send(&from(get("/version"), CLIENT)).unwrap());
    let private = begin(&running, &from(upload(100), "10.1.2.3"), DEFAULT + 10);
    for client in ["10.1.2.3", OTHER_CLIENT, "fd00::7"] {
        assert_served(&running, &from(get("/version"), client));
    }
    assert_served(&running, &get("/version"));
    drop((public, private));
    wait_until_served(&running, &from(get("/version"), CLIENT));
    assert_eq!(
        reasons_after_stop(&mut running, 503)
            .into_keys()
            .collect::<Vec<_>>(),
        ["too_many_connections"]
    );
}

#[test]
fn behind_a_trusted_proxy_the_clients_count_and_not_the_proxy() {
    let section = json!({
        "wsgi_worker_threads_count": 2,
        "trusted_proxies": ["127.0.0.0/8"],
        "max_connections_per_client": 2
    });
    let running = Launcher::new(&service(&section)).start_ready();
    let of_client = begin(&running, &from(upload(100), CLIENT), 2);
    assert_refused(&running.send(&from(get("/version"), CLIENT)).unwrap());
    // What a client has written itself comes before what the proxy has added.
    let chain = format!("{OTHER_CLIENT}, {CLIENT}");
    assert_refused(&running.send(&from(get("/version"), &chain)).unwrap());
    assert_served(&running, &from(get("/version"), OTHER_CLIENT));
    // The proxy's own requests, such as health checks, name nobody.
    let unnamed = begin(&running, &upload(100), 5);
    assert_served(&running, &get("/version"));
    // The limit that is set holds for private addresses, too.
    let private = begin(&running, &from(upload(100), "10.1.2.3"), 2);
    assert_refused(&running.send(&from(get("/version"), "10.1.2.3")).unwrap());
    // The network of a client of IPv6 counts.
    let network = begin(&running, &from(upload(100), "2001:db8:0:1::a"), 2);
    assert_refused(
        &running
            .send(&from(get("/version"), "2001:db8:0:1:b::c"))
            .unwrap(),
    );
    assert_served(&running, &from(get("/version"), "2001:db8:0:2::a"));
    drop((of_client, unnamed, private, network));
}

#[test]
fn a_client_cannot_pose_as_another_one() {
    let section = json!({"wsgi_worker_threads_count": 2, "max_connections_per_client": 2});
    let running = Launcher::new(&service(&section)).start_ready();
    let held = begin(&running, &from(upload(100), CLIENT), 2);
    for client in [CLIENT, OTHER_CLIENT, "127.0.0.1", "10.1.2.3"] {
        assert_refused(&running.send(&from(get("/version"), client)).unwrap());
    }
    assert_refused(&running.send(&get("/version")).unwrap());
    drop(held);
}

#[test]
fn zero_is_no_limit() {
    let section = json!({
        "wsgi_worker_threads_count": 2,
        "trusted_proxies": ["127.0.0.0/8"],
        "max_connections_per_client": 0
    });
    let running = Launcher::new(&service(&section)).start_ready();
    let held = begin(&running, &from(upload(100), CLIENT), DEFAULT + 10);
    assert_served(&running, &from(get("/version"), CLIENT));
    drop(held);
}

/// A request is in the queue, or in a slot, only when all of it is there.
#[test]
fn unfinished_requests_neither_wait_nor_take_a_slot() {
    const UNFINISHED: usize = 60;
    let section = json!({"wsgi_worker_threads_count": 2, "queue_size": 4});
    let service = service(&section);
    let running = Launcher::new(&service).start_ready();
    let mut unfinished = begin(&running, &upload(100), UNFINISHED);
    for _ in 0..20 {
        let answers = parallel(2, |_| running.get("/delay/0.01").unwrap());
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 200]);
    }
    let status = running.status();
    assert_eq!(status["waiting"], 0, "{status}");
    assert_eq!(status["clients"]["writing"], UNFINISHED, "{status}");
    // As many as may wait can wait beside them.
    let held: Vec<_> = (0..6)
        .map(|_| background(running.address, get("/until/go?note=held")))
        .collect();
    until(Duration::from_secs(20), "four requests wait", || {
        (running.ask_admin("/status").ok()?.json()["waiting"] == 4).then_some(())
    });
    service.write("state/go", "");
    for request in held {
        assert_eq!(request.join().unwrap().unwrap().status, 200);
    }
    for connection in &mut unfinished {
        let answer = finish(connection, 100).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "100"));
    }
}
