//! The parsers of nginx's, uWSGI's and Python's lines take anything, and return parts of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use microservice_flask::logs::{access, nginx, origin::Mark, python, uwsgi, worker};

fuzz_target!(|data: &[u8]| {
    if let Ok(line) = std::str::from_utf8(data)
        && let Some(entry) = access::parse(line.as_bytes())
    {
        assert!(data.trim_ascii().ends_with(entry.object));
        assert!(entry.duration < 1_000_000_000_000_000 && entry.status < 1000);
        serde_json::from_slice::<&serde_json::value::RawValue>(entry.object).expect("JSON");
    }
    assert!(data.ends_with(nginx::parse(data).text));
    let mark = Mark::new(7);
    assert!(data.ends_with(mark.split(data).1));
    let head = [b"\x1e", mark.nonce().as_bytes(), b";", data].concat();
    assert!(head.ends_with(mark.split(&head).1));
    assert!(
        mark.find(data, 1)
            .is_none_or(|at| at > 0 && at < data.len())
    );
    let _ = uwsgi::about(data);
    let _ = worker::is_own(data);
    assert!(data.ends_with(worker::undated(data)));
    let _ = python::level(data);
    if let Some(object) = python::object(data) {
        assert!(object.object.len() <= data.len());
    }
});
