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
                message: told(message, fields),
            });
        }
        let mut renderer = self.renderer.lock().unwrap_or_else(PoisonError::into_inner);
        own_record::render(&mut renderer, now, level, message, fields, &mut batch);
        // The lock is held until here, so that records enter the queue in the order of their times.
        self.shared.put_own(&mut batch, now);
    }
}

/// The sentence with the two fields without which it says little: of which child it speaks, and why.
fn told(message: &str, fields: &[(&str, Value)]) -> String {
    let field = |name: &str| {
        let of_name = fields.iter().find(|(known, _)| *known == name);
        of_name.and_then(|(_, value)| value.as_str())
    };
    let child = field("child").filter(|child| !message.contains(child));
    let child = child.map_or_else(String::new, |child| format!("{child}: "));
    let why = field("why").map_or_else(String::new, |why| format!(" {why}"));
    format!("{child}{message}{why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_of_which_child_it_speaks() {
        let fields = [("child", "uwsgi".into()), ("why", "no app".into())];
        assert_eq!(told("Ready.", &fields[..1]), "uwsgi: Ready.");
        assert_eq!(told("uwsgi ended.", &fields[..1]), "uwsgi ended.");
        assert_eq!(
            told("Reload refused.", &fields[1..]),
            "Reload refused. no app"
        );
    }
}
