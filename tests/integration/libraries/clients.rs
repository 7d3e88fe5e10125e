//! Redis, requests, and requests patched by gevent: clients that keep connections.

use super::life::{CONNECTIONS, Life, Trial, as_numbers, assert_arrived};
use super::servers::Server;

fn redis_in(server: &Server) -> Trial {
    let url = format!("redis://127.0.0.1:{}/0", server.port);
    Trial::new("redis").env("REDIS_URL", url)
}

/// The life of a service that keeps its orders in Redis, and counts them.
fn counts_in_redis(life: &mut Life) {
    life.live();
    let report = life.report();
    let orders = report["numbers"].as_array().unwrap();
    assert_arrived(&life.numbers(), as_numbers(orders));
    // Each request has counted itself; one was in the worker that was killed.
    let hits = usize::try_from(report["hits"].as_u64().unwrap()).unwrap();
    let answered = life.traffic.answers.len();
    let right = answered..=answered + 1;
    assert!(right.contains(&hits), "{hits} of {answered}");
    life.stop();
}

#[test]
fn redis() {
    let server = Server::redis();
    let mut life = redis_in(&server).start();
    counts_in_redis(&mut life);
    life.assert_quiet(&[]);
}

/// redis-py notices the fork, and opens connections of its own in each worker.
#[test]
fn redis_that_was_asked_at_import() {
    let server = Server::redis();
    let make = "app = Flask(__name__)\n";
    let service = redis_in(&server).instead(make, &format!("cache.ping()\n{make}"));
    let mut life = service.start();
    life.wait_for_warning(CONNECTIONS);
    counts_in_redis(&mut life);
    life.assert_quiet(&[CONNECTIONS]);
}

/// The connection of the first question is kept in the session, and all workers inherit it.
#[test]
fn requests_are_warned_of_the_connection_from_the_import() {
    let upstream = Server::upstream("requests_session");
    let service = || {
        let url = format!("http://127.0.0.1:{}", upstream.port);
        Trial::new("requests_session").env("UPSTREAM_URL", url)
    };
    let naive = service().start();
    naive.wait_for_warning(CONNECTIONS);
    drop(naive);

    let mut cured = service().lazy().start();
    cured.live();
    cured.stop();
    cured.assert_quiet(&[]);
}

#[test]
fn requests_patched_by_gevent() {
    let upstream = Server::upstream("gevent");
    let url = format!("http://127.0.0.1:{}", upstream.port);
    let mut life = Trial::new("gevent").env("UPSTREAM_URL", url).start();
    life.live();
    life.stop();
    life.assert_quiet(&[]);
}
