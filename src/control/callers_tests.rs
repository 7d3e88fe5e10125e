//! Requests of web pages, and of those who may ask.

use super::*;

const LOOPBACK: &str = "127.0.0.1:9180";
const EVERY: &str = "0.0.0.0:9180";

/// The status code of the refusal of a request with these headers; 200 when it is answered.
fn code(address: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, value.parse().unwrap());
    }
    let rights = match address {
        "control" => Rights::Control,
        address => Rights::ReadOnly(address.parse().unwrap()),
    };
    match refusal(rights, &target.parse().unwrap(), &map) {
        Some((status, text)) => {
            assert!(text.ends_with('\n') && text.contains(": "), "{text:?}");
            status.as_u16()
        }
        None => 200,
    }
}

#[track_caller]
fn check(address: &str, headers: &[(&str, &str)], expected: u16) {
    let code = code(address, "/status", headers);
    assert_eq!(code, expected, "{address} {headers:?}");
}

#[test]
fn loopback_is_asked_by_address_or_as_localhost() {
    for host in [
        "127.0.0.1:9180",
        "127.0.0.1",
        "10.1.2.3:80",
        "[::1]:9180",
        "[::1]",
        "localhost",
        "LocalHost:19180",
        "localhost.:1",
        "a.localhost",
        "0.0.0.0:9180",
    ] {
        for address in [LOOPBACK, "[::1]:9180", EVERY] {
            check(address, &[("Host", host)], 200);
        }
    }
    for host in [
        "evil.example",
        "evil.example:9180",
        "localhost.evil.example",
        "evillocalhost",
        "127.0.0.1.evil.example",
        "127.0.0.1:9180@evil.example",
        "evil@127.0.0.1",
        "127.0.0.1:x",
        "127.0.0.1:",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::1",
        "[::1]x",
        "[evil]",
        "::1",
        "",
        ".",
        "local host",
        "localhost,evil.example",
        "localhost/",
        "rum",
        "xn--lcalhost-54a",
    ] {
        for address in [LOOPBACK, "[::1]:9180", "[::ffff:127.0.0.1]:9180"] {
            // A port may be empty (RFC 3986, 3.2.3).
            let expected = if host == "127.0.0.1:" { 200 } else { 421 };
            check(address, &[("Host", host)], expected);
        }
    }
}

#[test]
fn other_addresses_have_names_but_not_for_browsers() {
    let names = ["rum", "rum.default.svc.cluster.local:9180", "a.example.com"];
    for name in names {
        let prometheus = [
            ("Host", name),
            ("User-Agent", "Prometheus/3.0"),
            ("Accept-Encoding", "gzip"),
        ];
        check(EVERY, &prometheus, 200);
        check("10.0.0.5:9180", &prometheus, 200);
    }
    for (name, value) in [
        ("User-Agent", "Mozilla/5.0 (X11)"),
        ("Accept-Language", "en"),
        ("Referer", "http://evil.example/"),
        ("Origin", "http://evil.example"),
        ("Sec-Fetch-Site", "same-origin"),
    ] {
        check(EVERY, &[("Host", "evil.example"), (name, value)], 421);
    }
    let language = ("Accept-Language", "en");
    check(EVERY, &[("Host", "10.0.0.5:9180"), language], 200);
    check(EVERY, &[("Host", "rum:9180"), language], 200);
    check(EVERY, &[("Host", "evil/.example")], 421);
}

#[test]
fn pages_of_other_sites_are_refused() {
    let host = ("Host", "127.0.0.1:9180");
    for address in [LOOPBACK, EVERY] {
        for origin in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:8000",
            "http://127.0.0.1",
            "",
            "127.0.0.1:9180",
        ] {
            check(address, &[host, ("Origin", origin)], 403);
        }
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            check(address, &[host, ("Sec-Fetch-Site", site)], 403);
        }
        let origin = ("Origin", "http://127.0.0.1:9180");
        check(address, &[host, origin], 200);
        check(address, &[host, ("Sec-Fetch-Site", "same-origin")], 200);
        check(address, &[host, ("Sec-Fetch-Site", "none")], 200);
        let two = ("Origin", "http://evil.example");
        check(address, &[host, origin, two], 403);
        check(address, &[origin], 403);
    }
}

#[test]
fn every_host_of_a_request_counts() {
    let host = ("Host", "localhost");
    check(LOOPBACK, &[], 200);
    check(LOOPBACK, &[host, host], 400);
    assert_eq!(
        code(LOOPBACK, "http://evil.example/status", &[host]),
        421,
        "the target names another host"
    );
    let evil = ("Host", "evil.example");
    assert_eq!(code(LOOPBACK, "http://localhost/status", &[evil]), 421);
    assert_eq!(code(LOOPBACK, "http://localhost/status", &[host]), 200);
}

#[test]
fn the_control_socket_takes_any_host_and_no_page() {
    check("control", &[("Host", "anything")], 200);
    check("control", &[("Host", "x"), ("Origin", "http://x")], 403);
    check("control", &[("Sec-Fetch-Site", "none")], 403);
}
