//! Pages of reports in which everything is known, nothing is known, or every text is hostile.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::status::sample;

const HOSTILE: &str = "<script>\"'&\u{1b}\u{202e}</script>";
/// Fields with texts of the launcher's own, which no other text can replace.
const FIXED: &[&str] = &["phase", "state", "role"];

/// The value with each of its texts and keys of maps replaced.
fn hostile(key: &str, value: Value) -> Value {
    let is_map = ["answers", "shed", "worker_exits", "exits", "outcomes"].contains(&key);
    match value {
        Value::String(_) if !FIXED.contains(&key) => Value::from(HOSTILE),
        Value::Array(items) => items.into_iter().map(|item| hostile(key, item)).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| {
                let value = hostile(&key, value);
                (if is_map { HOSTILE.to_owned() } else { key }, value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

fn hash(text: &str) -> String {
    data_encoding::BASE64.encode(&Sha256::digest(text))
}

#[test]
fn no_text_of_others_is_markup() {
    let mut report = sample::report();
    report.reason = Some("x".into());
    report.left_out = Some("x".into());
    report.listen = vec!["x".into()];
    report.children[0].last_exit = Some("x".into());
    report.slow_requests[0].reason = "x".into();
    report.reloads.current = Some(crate::status::CurrentReload {
        asked_by: "x".into(),
        seconds: 1.0,
    });
    for ready in [true, false] {
        report.ready = ready;
        let value = hostile("", serde_json::to_value(&report).unwrap());
        let report: StatusReport = serde_json::from_value(value).unwrap();
        let page = StatusPage::new(&report);
        let document = page.document().unwrap();
        assert_eq!(document.matches("<script").count(), 1, "its own");
        assert!(!document.contains(HOSTILE) && !document.contains("\"'&"));
        let escaped = "&#60;script&#62;&#34;&#39;&#38;\u{fffd}\u{fffd}&#60;/script&#62;";
        for (id, html) in page.parts().unwrap() {
            assert!(!html.contains("<script") && !html.contains(HOSTILE), "{id}");
            let invisible = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!html.contains(invisible), "{id}");
            // Figures, and a part of a time.
            let no_whole_text = ["now", "figures", "latency"].contains(&id);
            assert!(no_whole_text || html.contains(escaped), "{id}: {html}");
        }
    }
}

#[test]
fn the_parts_are_what_the_page_has() {
    let report = sample::report();
    let page = StatusPage::new(&report);
    let document = page.document().unwrap();
    for (id, html) in page.parts().unwrap() {
        assert!(!html.trim().is_empty(), "{id}");
        let place = format!(" id=\"{id}\">{html}</");
        assert!(document.contains(&place), "{id}: {html}\n{document}");
    }
    for text in [
        "<b>GET</b> /users/secret",
        "RuntimeError",
        "1/1 busy",
        "3 waiting",
        "the oldest for 0.2 s",
        "512M",
        "queue full 8",
        "crash 9",
        "A secret event.",
        "the import has left open /srv/secret/file",
        "GET 200: 123, POST 500: 7",
    ] {
        assert!(document.contains(text), "{text}\n{document}");
    }
}

#[test]
fn what_is_left_out_is_not_said_to_be_none() {
    let mut report = sample::report();
    report.details = false;
    report.left_out = Some("paths".into());
    report.errors.clear();
    report.last_errors.clear();
    report.slow_requests.clear();
    report.events.clear();
    let page = StatusPage::new(&report);
    for (id, html) in page.parts().unwrap() {
        if ["errors", "slow", "events"].contains(&id) {
            assert_eq!(html.trim(), "<p>Left out on this address.</p>", "{id}");
        }
    }
    assert!(
        page.document()
            .unwrap()
            .contains("Left out on this address: paths.")
    );
}

#[test]
fn a_page_of_a_service_of_which_nothing_is_known() {
    let report = StatusReport::unknown();
    let document = StatusPage::new(&report).document().unwrap();
    assert!(document.contains("is starting, for 0 s: no reason is known"));
    assert!(document.contains("uWSGI does not answer"));
}

#[test]
fn a_page_of_many_workers_stays_small() {
    let mut report = sample::report();
    let worker = report.workers[0].clone();
    report.workers = vec![worker; 1024];
    let page = StatusPage::new(&report);
    let document = page.document().unwrap();
    assert!(document.contains("… 974 more:") && document.contains("… 924 more:"));
    assert!(document.len() < 100_000, "{}", document.len());
}

#[test]
fn the_policy_names_the_script_and_the_style() {
    for (kind, text) in [("script", SCRIPT), ("style", STYLE)] {
        let source = format!("{kind}-src 'sha256-{}'; ", hash(text));
        assert!(POLICY.contains(&source), "POLICY needs {source}");
        assert!(!text.contains("</"), "{kind}");
    }
    let report = sample::report();
    let document = StatusPage::new(&report).document().unwrap();
    // The hash is of all that stands between the tags.
    assert!(document.contains(&format!("<script>{SCRIPT}</script>")));
    assert!(document.contains(&format!("<style>{STYLE}</style>")));
    // Nothing that the policy forbids.
    for forbidden in [" style=", " on", "javascript:", "<img", "<link", "src="] {
        let markup = document.replace(SCRIPT, "").replace(STYLE, "");
        let tags = markup.split('<').filter_map(|part| part.split('>').next());
        for tag in tags {
            assert!(!tag.contains(forbidden), "{forbidden}: {tag}");
        }
    }
}
