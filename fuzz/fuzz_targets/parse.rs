//! The parsers of nginx's, uWSGI's and Python's lines take anything, and return parts of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use microservice_flask::logs::{access, nginx, origin, python, uwsgi};

fuzz_target!(|data: &[u8]| {
    if let Ok(line) = std::str::from_utf8(data)
        && let Some(entry) = access::parse(line.as_bytes())
    {
        assert!(data.trim_ascii().ends_with(entry.object));
        assert!(entry.duration < 1_000_000_000_000_000 && entry.status < 1000);
        serde_json::from_slice::<&serde_json::value::RawValue>(entry.object).expect("JSON");
    }
    assert!(data.ends_with(nginx::parse(data).text));
    assert!(data.ends_with(origin::split(data).1));
    let _ = uwsgi::about(data);
    let _ = python::level(data);
});
