//! The launcher's own records.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::{
    Format,
    batch::Batch,
    escape,
    origin::Origin,
    record::{Detail, Level, Record, Source},
    render::{FIELDS_MAX, Renderer},
    shared::Shared,
};

/// Puts the launcher's own records into the log. Writing never waits, neither for stdout nor for
/// room.
#[derive(Debug, Clone)]
pub struct Sink {
    shared: Arc<Shared>,
    renderer: Arc<Mutex<Renderer>>,
}

impl Sink {
    pub(super) fn new(shared: Arc<Shared>, format: Format) -> Self {
        let renderer = Renderer::new(format, Source::Launcher);
        Self {
            shared,
            renderer: Arc::new(Mutex::new(renderer)),
        }
    }

    /// Writes a record. Of fields with the same name the last one counts; those that bear the name
    /// of one that every record has get a `_` behind it.
    pub fn write(&self, level: Level, message: &str, fields: &[(&str, Value)]) {
        let now = self.shared.now().wall;
        let mut batch = Batch::default();
        let mut renderer = self.renderer.lock().unwrap_or_else(PoisonError::into_inner);
        render(&mut renderer, now, level, message, fields, &mut batch);
        // The lock is kept so that records enter the ring in the order of their times.
        self.shared.put_own(&mut batch, now);
    }
}

/// Renders a record of the launcher, for [`Sink`] and for where there is no log.
pub fn render(
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
        // As part of the message they can be cut like it.
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

/// Fields as JSON members.
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
