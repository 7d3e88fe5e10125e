//! Faults: requests that never end by themselves.

use std::time::Duration;

use serde_json::json;

use crate::http::{Request, Response};
use crate::load::background;
use crate::service::Service;

use super::{SLOTS, Scene};

/// `request_timeout` of these rows.
pub(super) const T: Duration = Duration::from_secs(3);
/// From T to the 504 of a request that can be interrupted.
pub(super) const SOFT: Duration = Duration::from_secs(2);
/// From T to the 504 of one that cannot.
pub(super) const HARD: Duration = Duration::from_secs(6);

pub(super) fn processes() -> Service {
    let section = json!({"wsgi_worker_threads_count": SLOTS, "request_timeout": T.as_secs()});
    Service::new().nginx_config(&section)
}

pub(super) fn threads() -> Service {
    let section = json!({"wsgi_worker_threads_count": SLOTS, "wsgi_processes": 1, "request_timeout": T.as_secs()});
    Service::new().nginx_config(&section)
}

/// Sends `count` requests that hang: each gets 504 with its id in time, and was run only once.
#[track_caller]
fn hang(scene: &mut Scene, path: &str, count: usize, grace: Duration) {
    let request = |i: usize| {
        Request::get(format!("{path}?note=hung"))
            .header("X-Request-ID", format!("hung.{i}"))
            .header("Accept", "application/json")
            .header("Connection", "close")
    };
    let hung: Vec<_> = (0..count)
        .map(|i| background(scene.running.address, request(i)))
        .collect();
    scene.service.wait_for_notes("hung", count as u64);
    let answers: Vec<Response> = hung
        .into_iter()
        .map(|thread| thread.join().unwrap().unwrap())
        .collect();
    for (i, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, 504, "{}", answer.text());
        let id = format!("hung.{i}");
        assert_eq!(answer.header("X-Request-ID"), Some(id.as_str()));
        assert_eq!(
            answer.json()["request_id"],
            id.as_str(),
            "{}",
            answer.text()
        );
        // Includes the wait for a slot, which is short because the load has short requests.
        let most = T + grace + Duration::from_secs(1);
        assert!(answer.took >= T, "504 after {:?}", answer.took);
        scene.allow("a 504", answer.took, most);
    }
    assert_eq!(
        scene.service.noted("hung"),
        count as u64,
        "a request that timed out was replayed"
    );
}

pub(super) fn one(scene: &mut Scene) {
    hang(scene, "/hang", 1, SOFT);
}

pub(super) fn all_but_one(scene: &mut Scene) {
    let before = scene.load.count();
    hang(scene, "/hang", SLOTS - 1, SOFT);
    // One slot serves fifty requests of 20 ms per second; half of that is accepted on a loaded machine.
    let served = scene.load.count() - before;
    let expected = usize::try_from(T.as_secs()).unwrap() * 50 / 2;
    if served < expected {
        scene.slow.push(format!(
            "the last slot served {served} in {T:?}, expected {expected}"
        ));
    }
}

pub(super) fn all(scene: &mut Scene) {
    hang(scene, "/hang", SLOTS, SOFT);
}

pub(super) fn spin(scene: &mut Scene) {
    hang(scene, "/spin", 1, SOFT);
}

pub(super) fn behind_except_exception(scene: &mut Scene) {
    hang(scene, "/except-exception", 1, SOFT);
}

pub(super) fn one_in_c(scene: &mut Scene) {
    hang(scene, "/c-hang", 1, HARD);
}

pub(super) fn all_in_c(scene: &mut Scene) {
    hang(scene, "/c-hang", SLOTS, HARD);
}

pub(super) fn swallow(scene: &mut Scene) {
    hang(scene, "/swallow", 1, HARD);
}

pub(super) fn naps(scene: &mut Scene) {
    hang(scene, "/naps", 1, SOFT);
}

pub(super) fn all_naps(scene: &mut Scene) {
    hang(scene, "/naps", SLOTS, SOFT);
}

pub(super) fn one_blocked(scene: &mut Scene) {
    hang(scene, "/hang", 1, HARD);
}

pub(super) fn all_blocked(scene: &mut Scene) {
    hang(scene, "/hang", SLOTS, HARD);
}
