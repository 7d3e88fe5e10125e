//! The parsers of nginx's, uWSGI's and Python's lines accept any bytes and return parts of them.

use microservice_flask::internals::logs::lines::{
    nginx_access, nginx_error, origin::LineMark, python, uwsgi, uwsgi_worker,
};

pub(crate) fn check(data: &[u8]) {
    if let Ok(line) = std::str::from_utf8(data)
        && let Some(record) = nginx_access::parse(line.as_bytes())
    {
        assert!(data.trim_ascii().ends_with(record.object));
        assert!(record.duration < 1_000_000_000_000_000 && record.status < 1000);
        serde_json::from_slice::<serde::de::IgnoredAny>(record.object).expect("JSON");
    }
    assert!(data.ends_with(nginx_error::parse(data).text));
    let mark = LineMark::new(7);
    assert!(data.ends_with(mark.split(data).1));
    let head = [b"\x1e", mark.nonce().as_bytes(), b";", data].concat();
    assert!(head.ends_with(mark.split(&head).1));
    assert!(
        mark.find(data, 1)
            .is_none_or(|at| at > 0 && at < data.len())
    );
    // Any result of these is right, as long as there is one.
    let _ = uwsgi::parse(data);
    let _ = uwsgi_worker::is_own(data);
    assert!(data.ends_with(uwsgi_worker::undated(data)));
    // Any level is right.
    let _ = python::level(data);
    if let Some(line) = python::json_line(data) {
        assert!(line.object.len() <= data.len());
    }
}
