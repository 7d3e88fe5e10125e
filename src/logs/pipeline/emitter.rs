//! Where the launcher's own events enter the log.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::shared::Shared;
use crate::logs::observed::EventFacts;
use crate::logs::options::Format;
use crate::logs::queue::batch::Batch;
use crate::logs::record::{Level, Source};
use crate::logs::writing::own_record;
use crate::logs::writing::renderer::Renderer;

/// Puts the launcher's own records into the log. Never waits, neither for stdout nor for room.
#[derive(Debug, Clone)]
pub struct EventEmitter {
    shared: Arc<Shared>,
    renderer: Arc<Mutex<Renderer>>,
}

impl EventEmitter {
    pub(super) fn new(shared: Arc<Shared>, format: Format, least: Level) -> Self {
        let mut renderer = Renderer::new(format, Source::Launcher);
        renderer.set_level(least);
        Self {
            shared,
            renderer: Arc::new(Mutex::new(renderer)),
        }
    }

    /// Writes a record. The last of several fields with the same name is written, and a field with a name that every record
    /// has (`ts`, `level`, `source`, `message`, `partial…`) gets a `_` after its name.
    pub fn write(&self, level: Level, message: &str, fields: &[(&str, Value)]) {
        let now = self.shared.clock.now().wall;
        let mut batch = Batch::default();
        if level >= Level::Info {
            batch.observed.events.push(EventFacts {
                at: now,
                level,
                message: message.to_owned(),
            });
        }
        let mut renderer = self.renderer.lock().unwrap_or_else(PoisonError::into_inner);
        own_record::render(&mut renderer, now, level, message, fields, &mut batch);
        // The lock is held until here, so that records enter the queue in the order of their times.
        self.shared.put_own(&mut batch, now);
    }
}
