//! uWSGI's statistics, which the application can forge: what is kept of them is small, harmless and in order.

use microservice_flask::internals::bytes;
use serde_json::Value;

/// As in src/programs/uwsgi/stats_json.rs.
const MAX_SLOTS: usize = 1024;

pub(crate) fn check(data: &[u8]) {
    let Ok((_, workers)) = bytes::statistics(data.to_vec()) else {
        return;
    };
    assert!(!workers.chars().any(char::is_control));
    let workers: Vec<Value> = serde_json::from_str(&workers).expect("JSON");
    assert!(workers.len() <= MAX_SLOTS);
    let mut requests = 0;
    for worker in &workers {
        for request in worker["serving"].as_array().expect("a list") {
            requests += 1;
            let text = |name: &str| request[name].as_str().expect("text");
            assert!(text("request_id").len() <= 128);
            assert!(text("method").len() <= 16);
            assert!(text("path").len() <= 1024);
            assert!(!text("path").contains('?'), "queries hold secrets");
            for name in ["request_id", "method", "path"] {
                assert!(!text(name).contains(char::is_control), "{name}");
            }
        }
    }
    assert!(requests <= MAX_SLOTS);
    compare(data, &workers);
}

/// Another reader sees the same workers, as far as it can read it.
fn compare(data: &[u8], workers: &[Value]) {
    let text = String::from_utf8_lossy(data).replace(|c: char| c.is_ascii_control(), " ");
    let Ok(said) = serde_json::from_str::<Value>(&text) else {
        return;
    };
    let Some(list) = said["workers"].as_array() else {
        return;
    };
    assert_eq!(list.len(), workers.len());
    for (said, worker) in list.iter().zip(workers) {
        if said.is_object() {
            assert_eq!(said["id"], worker["id"]);
            assert_eq!(said["pid"], worker["pid"]);
        }
    }
}
