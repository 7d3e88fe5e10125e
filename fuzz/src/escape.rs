//! Any bytes become harmless text with the same content; valid JSON, and nothing else, is accepted as JSON.

use microservice_flask::internals::logs::writing::{escape, json_scan};
use serde_json::Value;

pub(crate) fn check(data: &[u8]) {
    let repaired = String::from_utf8_lossy(data);
    let mut out = vec![b'"'];
    escape::json(data, &mut out);
    out.push(b'"');
    let back: String = serde_json::from_slice(&out).expect("a JSON string");
    assert_eq!(back, repaired);
    assert!(
        !String::from_utf8(out)
            .expect("UTF-8")
            .chars()
            .any(char::is_control)
    );

    let mut out = Vec::new();
    escape::text(data, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(!text.chars().any(|c| c.is_control() && c != '\t'));

    let line = repaired.as_bytes();
    let object = json_scan::object(line, |_, _| {}).map(<[u8]>::to_vec);
    match serde_json::from_slice::<Value>(line) {
        Ok(value @ Value::Object(_)) => {
            if let Some(object) = object {
                let mut carried = Vec::new();
                escape::carry(&object, &mut carried);
                assert_eq!(
                    serde_json::from_slice::<Value>(&carried).expect("JSON"),
                    value
                );
            } else {
                // Too deep, or with a number that many readers refuse.
                let braces = line.iter().filter(|byte| b"[{".contains(byte)).count();
                let digits = line.iter().filter(|byte| byte.is_ascii_digit()).count();
                assert!(braces > 64 || digits >= 3);
            }
        }
        Ok(_) | Err(_) => assert_eq!(object, None),
    }
}
