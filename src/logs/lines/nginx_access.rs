//! Lines of nginx's access log, which the rendered nginx.conf writes as JSON already. Pure.
//!
//! ```text
//! $msec $status $request_time "$upstream_response_time" - "3 12 -" "0.000" "PASSED" {"request_id":"ab12",…}
//! ```
//!
//! Before the brace there is what nginx cannot write as JSON (lists, seconds) and what the launcher
//! decides by: `h` in place of `-` marks a health check; the entry module's header with the worker, the
//! wait for it and its reason; `$upstream_connect_time`; `$limit_conn_status` with the size class of a
//! body that goes to disk. The object is only checked, never rebuilt: a torn or foreign line must not be taken for a record.

use super::access_reason::{WorkerAnswer, reason};
use crate::logs::record::AccessRecord;
use crate::logs::writing::json_scan;

/// Reads a line, which must be UTF-8; none when it has a different form.
pub fn parse(line: &[u8]) -> Option<AccessRecord<'_>> {
    let (at, rest) = token(line)?;
    let (status, rest) = token(rest)?;
    let (duration, rest) = token(rest)?;
    let (upstream, rest) = quoted(rest)?;
    let upstream = sum(upstream).ok()?;
    let (marker, rest) = token(rest)?;
    let (answer, rest) = quoted(rest)?;
    let (connect, rest) = quoted(rest)?;
    let (limit, object) = quoted(rest)?;
    let status = status_code(status)?;
    let answer = WorkerAnswer::parse(answer);
    let mut record = AccessRecord {
        at: seconds(at)?,
        status,
        duration: seconds(duration)? / 1000,
        upstream: upstream.map(|micros| micros / 1000),
        queue: answer.as_ref().and_then(|answer| answer.queue),
        worker: answer.as_ref().and_then(|answer| answer.worker),
        reason: reason(status, answer.as_ref(), connect, limit),
        replayed: connections(connect) > 1,
        health: match marker {
            b"h" => true,
            b"-" => false,
            _ => return None,
        },
        object: b"",
        method: b"",
        path: b"",
        remote_addr: b"",
        request_id: b"",
    };
    record.object = json_scan::object(object, |key, value| {
        let place = match key {
            b"method" => &mut record.method,
            b"path" => &mut record.path,
            b"remote_addr" => &mut record.remote_addr,
            b"request_id" => &mut record.request_id,
            _ => return,
        };
        *place = json_scan::string(value).unwrap_or_default();
    })?;
    Some(record)
}

/// To how many workers, one after the other, nginx has given the request: the list of connect times has one item for each
/// attempt, `-` for one that found no room in the queue.
fn connections(list: &[u8]) -> usize {
    let attempts = list.split(|byte| b",: ".contains(byte));
    attempts
        .filter(|attempt| attempt.first().is_some_and(u8::is_ascii_digit))
        .count()
}

/// Splits after a quoted text and a space. What nginx writes there contains no quote.
fn quoted(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    Some((&rest[..end], rest[end + 1..].strip_prefix(b" ")?))
}

/// Splits at the next space.
fn token(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|&byte| byte == b' ')?;
    Some((&line[..end], &line[end + 1..]))
}

/// Seconds as nginx writes them, `1732486400.123`, in microseconds.
fn seconds(text: &[u8]) -> Option<u64> {
    let point = text.iter().position(|&byte| byte == b'.')?;
    let (whole, fraction) = (&text[..point], &text[point + 1..]);
    // nginx writes three digits of a fraction; the bounds keep the sum far from an overflow.
    if whole.is_empty() || whole.len() > 12 || fraction.len() != 3 {
        return None;
    }
    let digits = |text: &[u8]| {
        text.iter().try_fold(0, |number: u64, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u64::from(digit - b'0'))
        })
    };
    Some(digits(whole)? * 1_000_000 + digits(fraction)? * 1000)
}

fn status_code(text: &[u8]) -> Option<u16> {
    match *text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => None,
    }
}

/// The sum of nginx's list of upstream times: `, ` between servers, ` : ` between server groups, `-`
/// for a server that was not reached. `None` when none was reached, an error when it is no such list.
fn sum(list: &[u8]) -> Result<Option<u64>, ()> {
    let mut total = None;
    for item in list.split(|byte| b",: ".contains(byte)) {
        if !matches!(item, b"" | b"-") {
            total = Some(total.unwrap_or(0) + seconds(item).ok_or(())?);
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::logs::options::AccessFilter;
    use crate::logs::record::{AccessRecord, Level};
    use proptest::prelude::*;
    use std::time::Duration;

    const OBJECT: &str = r#"{"request_id":"ab12","method":"GET","path":"/x?\"","status":200,"bytes":12,"remote_addr":"10.0.0.1"}"#;

    fn line(head: &str) -> String {
        format!(r#"{head} "" "" "" {OBJECT}"#)
    }

    #[track_caller]
    fn check(head: &str, expected: Option<(u64, u16, u64, Option<u64>, bool)>) {
        let line = line(head);
        let record = parse(line.as_bytes());
        let seen = record
            .as_ref()
            .map(|r| (r.at, r.status, r.duration, r.upstream, r.health));
        assert_eq!(seen, expected, "{line}");
        if let Some(AccessRecord {
            method,
            path,
            remote_addr,
            request_id,
            object,
            ..
        }) = record
        {
            assert_eq!((method, path), (&b"GET"[..], &br#"/x?\""#[..]));
            assert_eq!((remote_addr, request_id), (&b"10.0.0.1"[..], &b"ab12"[..]));
            assert_eq!(object, OBJECT.as_bytes());
        }
    }

    #[test]
    fn what_nginx_writes() {
        let at = 1_732_486_400_123_000;
        check(
            r#"1732486400.123 200 0.003 "0.002" -"#,
            Some((at, 200, 3, Some(2), false)),
        );
        check(
            r#"1732486400.123 200 61.003 "-" h"#,
            Some((at, 200, 61_003, None, true)),
        );
        check(
            r#"1732486400.123 000 0.000 "" -"#,
            Some((at, 0, 0, None, false)),
        );
        check(
            r#"1732486400.123 200 0.003 "0.001, 0.002" -"#,
            Some((at, 200, 3, Some(3), false)),
        );
        check(
            r#"1732486400.123 502 0.003 "0.001 : 0.002, -" -"#,
            Some((at, 502, 3, Some(3), false)),
        );
        check(
            r#"1732486400.123 502 0.003 "-, -" -"#,
            Some((at, 502, 3, None, false)),
        );
    }

    #[test]
    fn anything_else_is_no_record() {
        for head in [
            "",
            "x",
            r#"1732486400 200 0.003 "0.002" -"#,
            r#"1732486400.123 20 0.003 "0.002" -"#,
            r#"1732486400.123 200 0.003 "0.002""#,
            r#"1732486400.123 200 0.003 "0.002" x"#,
            "1732486400.123 200 0.003 0.002 -",
            r#"1732486400.123 200 -0.003 "0.002" -"#,
            r#"1732486400.123 200 0.003 "a" -"#,
            r#"99999999999999.123 200 0.003 "-" -"#,
        ] {
            check(head, None);
        }
        let whole = line(r#"1732486400.123 200 0.003 "0.002" -"#);
        for end in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..end]), None, "torn at {end}");
        }
    }

    #[test]
    fn which_are_kept() {
        let wanted = |head: &str, filter| parse(line(head).as_bytes()).unwrap().is_wanted(filter);
        let (ok, slow, bad, probe) = (
            r#"1.000 200 0.003 "-" -"#,
            r#"1.000 200 2.000 "-" -"#,
            r#"1.000 404 0.003 "-" -"#,
            r#"1.000 500 9.000 "-" h"#,
        );
        let errors = AccessFilter::Errors {
            slow: Duration::from_secs(2),
        };
        for (head, all, errors_only) in [
            (ok, true, false),
            (slow, true, true),
            (bad, true, true),
            (probe, false, false),
        ] {
            assert_eq!(wanted(head, AccessFilter::All), all, "{head}");
            assert_eq!(wanted(head, errors), errors_only, "{head}");
            assert!(!wanted(head, AccessFilter::Off), "{head}");
        }
    }

    #[test]
    fn levels() {
        for (status, level) in [
            ("200", Level::Info),
            ("304", Level::Info),
            ("404", Level::Warn),
            ("499", Level::Warn),
            ("500", Level::Error),
            ("504", Level::Error),
            ("000", Level::Warn),
        ] {
            let line = line(&format!(r#"1.000 {status} 0.003 "-" -"#));
            assert_eq!(parse(line.as_bytes()).unwrap().level(), level, "{status}");
        }
    }

    #[test]
    fn who_answered_after_which_wait_and_why() {
        let seen = |status: &str, fields: &str| {
            let line = format!(r#"1.000 {status} 0.090 "0.030, 0.050" - {fields} {OBJECT}"#);
            let record = parse(line.as_bytes()).unwrap();
            let reason = String::from_utf8_lossy(record.reason).into_owned();
            (record.worker, record.queue, record.app(), reason)
        };
        let nobody = |reason: &str| (None, None, None, reason.to_owned());
        let worker = |reason: &str| (Some(3), Some(12), Some(68), reason.to_owned());
        assert_eq!(
            seen("200", r#""3 12 -" "0.000, 0.000" "PASSED""#),
            worker("")
        );
        assert_eq!(
            seen("504", r#""3 12 request_timeout" "0.000" """#),
            worker("request_timeout")
        );
        assert_eq!(seen("500", r#""3 12 No<word>" "0.000" """#), worker(""));
        assert_eq!(seen("200", r#""3 x -" "0.000" """#), nobody(""));
        assert_eq!(
            seen("503", r#""- - queue_timeout" "0.000" """#),
            nobody("queue_timeout")
        );
        assert_eq!(
            seen("503", r#""" "" "REJECTED""#),
            nobody("too_many_connections")
        );
        for limit in ["REJECTED9", "PASSED9", "9"] {
            let fields = format!(r#""" "" "{limit}""#);
            assert_eq!(seen("503", &fields), nobody("disk_full"));
        }
        assert_eq!(seen("503", r#""" "-" "PASSED9""#), nobody("queue_full"));
        assert_eq!(seen("503", r#""" "" "PASSED""#), nobody(""));
        assert_eq!(seen("503", r#""" "-, -" """#), nobody("queue_full"));
        assert_eq!(
            seen("502", r#""" "0.000, -" "PASSED""#),
            nobody("worker_died")
        );
        assert_eq!(
            seen("502", r#""" "-, 0.000" "PASSED""#),
            nobody("worker_died")
        );
        assert_eq!(
            seen("504", r#""" "0.000" "PASSED""#),
            nobody("request_timeout")
        );
        assert_eq!(
            seen("431", r#""" "" "PASSED""#),
            nobody("request_headers_too_large")
        );
        assert_eq!(seen("408", r#""" "" """#), nobody("too_slow"));
        assert_eq!(seen("413", r#""" "" "PASSED""#), nobody(""));
    }

    #[test]
    fn a_request_is_replayed_when_a_second_worker_has_got_it() {
        for (connect, replayed) in [
            ("", false),
            ("0.000", false),
            ("-, 0.000", false),
            ("0.000, -", false),
            ("0.000, 0.000", true),
            ("0.000, 0.001 : 0.000", true),
        ] {
            let line = format!(r#"1.000 200 0.003 "0.002" - "" "{connect}" "" {OBJECT}"#);
            let record = parse(line.as_bytes()).unwrap();
            assert_eq!(record.replayed, replayed, "{connect:?}");
        }
    }

    proptest! {
        #[test]
        fn foreign_lines_do_no_harm(line in any::<String>()) {
            // Any result is right, as long as there is one.
            let _ = parse(line.as_bytes());
            let _ = parse(format!("1.000 200 0.001 \"{line}\" - \"{line}\" \"{line}\" \"\" {{\"a\":\"{line}\"}}").as_bytes());
        }
    }
}
