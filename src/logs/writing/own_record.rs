//! How the launcher's own records are rendered: a sentence and typed fields. Pure.

use serde_json::Value;

use super::{
    escape,
    renderer::{FIELDS_MAX, Renderer},
};
use crate::logs::queue::batch::Batch;
use crate::logs::record::{Detail, Level, Origin, Record};

/// Renders a record of the launcher; `at` is in microseconds since 1970.
pub(crate) fn render(
    renderer: &mut Renderer,
    at: u64,
    level: Level,
    message: &str,
    fields: &[(&str, Value)],
    batch: &mut Batch,
) {
    let members = members(fields);
    let origin = Origin::default();
    if members.len() <= FIELDS_MAX {
        let detail = Detail::Fields(&members);
        let record = Record {
            at,
            level,
            message: message.as_bytes(),
            origin,
            detail,
        };
        renderer.record(&record, batch);
    } else {
        // As part of the message they can be written in chunks.
        let message = [message.as_bytes(), b" {", &members, b"}"].concat();
        let record = Record {
            at,
            level,
            message: &message,
            origin,
            detail: Detail::None,
        };
        renderer.record(&record, batch);
    }
}

/// Fields as JSON members. The last of several fields with the same name is written, and a field with a name that every
/// record has gets a `_` after its name.
fn members(fields: &[(&str, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (place, (name, value)) in fields.iter().enumerate() {
        if fields[place + 1..].iter().any(|(later, _)| later == name) {
            continue;
        }
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'"');
        escape::json(name.as_bytes(), &mut out);
        if matches!(*name, "ts" | "level" | "source" | "message") || name.starts_with("partial") {
            out.push(b'_');
        }
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.to_string().as_bytes());
    }
    out
}
