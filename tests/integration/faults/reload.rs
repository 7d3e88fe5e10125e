//! Faults: reloads with good and broken code and configuration.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::load::parallel;
use crate::wait::until;

use super::{SLOTS, Scene};

/// A broken reload is refused with an exit code and a reason, and the old generation keeps serving.
#[track_caller]
fn is_refused(scene: &Scene, codes: &[i32], why: &str) {
    let output = scene.running.run_command(&["reload"]);
    assert!(
        output.exit.code.is_some_and(|code| codes.contains(&code)),
        "{:?}\n{}",
        output.exit,
        output.text()
    );
    assert!(
        output.text().contains(why),
        "no {why:?} in: {}",
        output.text()
    );
    assert_eq!(scene.running.get_ok("/version").text(), "1");
}

pub(super) fn import_error(scene: &mut Scene) {
    scene
        .service
        .write("src/main.py", "import no_such_module\n");
    is_refused(scene, &[75], "no_such_module");
}

pub(super) fn syntax_error(scene: &mut Scene) {
    scene.service.write("src/main.py", "app = = 1\n");
    is_refused(scene, &[75], "SyntaxError");
}

pub(super) fn no_app(scene: &mut Scene) {
    scene.service.write("src/main.py", "application = 1\n");
    is_refused(scene, &[75], "app");
}

pub(super) fn wrong_config(scene: &mut Scene) {
    let wrong = json!({"use_nginx": true, "nginx_config": {"wsgi_worker_threads_count": 0}});
    scene
        .service
        .write("config/config.json", &wrong.to_string());
    is_refused(scene, &[78], "/nginx_config/wsgi_worker_threads_count");
}

pub(super) fn broken_snippet(scene: &mut Scene) {
    scene
        .service
        .write("nginx/server.d/x.conf", "no_such_directive on;\n");
    is_refused(scene, &[75, 78], "no_such_directive");
}

/// The canary starts but its health check fails: the reload is rolled back after the timeout, with this reason.
pub(super) fn sick(scene: &mut Scene) {
    let sick = json!({"use_nginx": true, "nginx_config": {
        "wsgi_worker_threads_count": SLOTS, "health_check_path": "/no-such-page", "start_timeout": 4}});
    scene.service.write("config/config.json", &sick.to_string());
    is_refused(scene, &[75], "the health check /no-such-page answers 404");
}

/// Ten reloads, each with another version of the code; no request waits noticeably longer than without.
pub(super) fn ten_times(scene: &mut Scene) {
    for version in 2..12 {
        scene.service.write_version(&version.to_string());
        scene.running.run_command(&["reload"]).assert_code(0);
        assert_eq!(scene.running.get_ok("/version").text(), version.to_string());
    }
}

/// The same with threads: an old process takes requests until its first thread has finished its own.
pub(super) fn ten_times_with_threads(scene: &mut Scene) {
    for version in 2..12 {
        scene.service.write_version(&version.to_string());
        scene.running.run_command(&["reload"]).assert_code(0);
        until(Duration::from_secs(2), "the new version", || {
            (scene.running.get_ok("/version").text() == version.to_string()).then_some(())
        });
    }
}

/// The same with SIGHUP.
pub(super) fn by_signal(scene: &mut Scene) {
    for version in ["2", "3", "4"] {
        scene.service.write_version(version);
        scene.running.signal(Signal::SIGHUP);
        until(Duration::from_secs(20), "the new version", || {
            scene
                .running
                .get("/version")
                .ok()
                .filter(|answer| answer.text() == version)
        });
    }
}

pub(super) fn asked_by_four_at_once(scene: &mut Scene) {
    scene.service.write_version("2");
    let outputs = parallel(4, |_| scene.running.run_command(&["reload"]));
    for output in outputs {
        output.assert_code(0);
    }
    assert_eq!(scene.running.get_ok("/version").text(), "2");
}

/// More slots, and another nginx configuration.
pub(super) fn into_more_slots(scene: &mut Scene) {
    let section = json!({"wsgi_worker_threads_count": SLOTS + 2, "max_body_size": "10k"});
    let config = json!({"use_nginx": true, "nginx_config": section});
    scene
        .service
        .write("config/config.json", &config.to_string());
    scene.service.write(
        "nginx/server.d/x.conf",
        "location = /grog { return 200 grog; }\n",
    );
    scene.running.run_command(&["reload"]).assert_code(0);
    assert_eq!(scene.running.get_ok("/grog").text(), "grog");
    until(
        Duration::from_secs(10),
        "six workers and no old ones",
        || {
            let workers = scene.running.children_named("uwsgi").len();
            // The new master and its workers.
            (workers == SLOTS + 3).then_some(())
        },
    );
}

/// The survivors of a crashed nginx serve the old configuration and must end with it.
pub(super) fn after_a_crash(scene: &mut Scene) {
    super::crash::nginx_waits_for_its_restart(scene);
    let left: Vec<_> = scene.running.children_named("nginx");
    assert!(!left.is_empty(), "nginx has left nobody");
    scene.service.write(
        "nginx/server.d/x.conf",
        "location = /grog { return 200 grog; }\n",
    );
    scene.running.run_command(&["reload"]).assert_code(0);
    for orphan in left {
        orphan.wait_gone(Duration::from_secs(10));
    }
    assert_eq!(scene.running.get_ok("/grog").text(), "grog");
}

/// In-flight requests of the old generation are answered by it.
pub(super) fn with_slow_requests(scene: &mut Scene) {
    use crate::http::Request;
    use crate::load::background;
    let slow = Request::get("/delay/2?note=slow").header("Connection", "close");
    let begun = Instant::now();
    let slow: Vec<_> = (0..2)
        .map(|_| background(scene.running.address, slow.clone()))
        .collect();
    scene.service.wait_for_notes("slow", 2);
    scene.service.write_version("2");
    scene.running.run_command(&["reload"]).assert_code(0);
    for request in slow {
        assert_eq!(request.join().unwrap().unwrap().status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(
        scene.service.noted("slow"),
        2,
        "a slow request was replayed"
    );
}
