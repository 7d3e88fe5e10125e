//! How the launcher's own events reach the log: `tracing` events in, records out.
//!
//! An event has fields first, then a sentence: `warn!(child = "nginx", code, "Child ended.")`. It also gets
//! the fields of the spans around it; of fields with the same name, the innermost is written. Events of
//! libraries are ignored: none of them is about what the launcher does.

#![forbid(unsafe_code)]

use std::fmt;

use serde_json::Value;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::{LookupSpan, Scope},
    util::{SubscriberInitExt, TryInitError},
};

use crate::logs::{EventEmitter, Level};

/// The target of the launcher's events; targets below it are the launcher's, too.
const TARGET: &str = "microservice_flask";

/// Sends events to the log from now on, for the rest of the process.
pub(crate) fn init(emitter: EventEmitter) -> Result<(), TryInitError> {
    tracing_subscriber::registry()
        .with(EventLayer { emitter })
        .try_init()
}

/// Turns events into records of the log.
struct EventLayer {
    emitter: EventEmitter,
}

impl<S> Layer<S> for EventLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let ours = metadata.target().strip_prefix(TARGET);
        // The log counts those that are below its level.
        *metadata.level() <= LevelFilter::DEBUG
            && ours.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(Scope::from_root)
        {
            if let Some(outer) = span.extensions().get::<Fields>() {
                for (name, value) in &outer.values {
                    fields.set(name, value.clone());
                }
            }
        }
        event.record(&mut fields);
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => Level::Debug,
        };
        self.emitter.write(level, &fields.message, &fields.values);
    }
}

/// The fields of a span or an event, in the order in which they are written.
#[derive(Default)]
struct Fields {
    message: String,
    values: Vec<(&'static str, Value)>,
}

impl Fields {
    /// Replaces an earlier field with the same name.
    fn set(&mut self, name: &'static str, value: Value) {
        self.values.retain(|(known, _)| *known != name);
        self.values.push((name, value));
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.set(field.name(), value.into());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        self.set(field.name(), text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.set(field.name(), text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use super::{EventLayer, Level, Value};
    use crate::logs::{self, AccessFilter, Format, LogOptions, OnFull, Source};
    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    /// The records that a log has written after `act`, and how many it has left out.
    fn records(least: Level, act: impl FnOnce()) -> (Vec<Value>, u64) {
        let (read, write) = std::io::pipe().unwrap();
        let options = LogOptions {
            access: AccessFilter::All,
            on_full: OnFull::Drop,
            buffer: 1 << 20,
        };
        // The pipe's buffer holds these few records, so they need not be read meanwhile.
        let logs = logs::start(Format::Json, least, options, write.into()).unwrap();
        let emitter = logs.emitter();
        let subscriber = tracing_subscriber::registry().with(EventLayer { emitter });
        tracing::subscriber::with_default(subscriber, act);
        let summary = logs.finish(Duration::from_secs(20));
        assert!(summary.complete);
        let skipped = summary.counters.of(Source::Launcher).skipped;
        let mut text = String::new();
        File::from(OwnedFd::from(read))
            .read_to_string(&mut text)
            .unwrap();
        let written = text.lines();
        let written = written.map(|line| serde_json::from_str(line).unwrap());
        (written.collect(), skipped)
    }

    #[track_caller]
    fn check(act: impl FnOnce(), expected: &[(Level, &str, Value)]) {
        let (mut seen, _) = records(Level::Debug, act);
        for record in &mut seen {
            assert!(record.as_object_mut().unwrap().remove("ts").is_some());
        }
        let expected: Vec<_> = expected
            .iter()
            .map(|(level, message, fields)| {
                let mut record =
                    json!({"level": level.as_str(), "source": "launcher", "message": message});
                let fields = fields.as_object().unwrap().clone();
                record.as_object_mut().unwrap().extend(fields);
                record
            })
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn fields_and_a_sentence() {
        check(
            || tracing::warn!(part = %"nginx", code = 3, up = true, why = ?"x", "Part ended."),
            &[(
                Level::Warn,
                "Part ended.",
                json!({"part": "nginx", "code": 3, "up": true, "why": "\"x\""}),
            )],
        );
    }

    #[test]
    fn the_innermost_of_the_fields_of_spans_is_written() {
        check(
            || {
                let outer = tracing::info_span!("outer", part = "nginx", generation = 1);
                let _outer = outer.enter();
                let inner =
                    tracing::info_span!("inner", generation = 2, late = tracing::field::Empty);
                let _inner = inner.enter();
                inner.record("late", 9);
                tracing::error!(part = "uwsgi", "Failed.");
            },
            &[(
                Level::Error,
                "Failed.",
                json!({"generation": 2, "late": 9, "part": "uwsgi"}),
            )],
        );
    }

    #[test]
    fn causes_of_an_error_are_written() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("inner"));
        check(
            || {
                tracing::error!(
                    error = &error as &(dyn std::error::Error + 'static),
                    "Failed."
                );
            },
            &[(Level::Error, "Failed.", json!({"error": "outer: inner"}))],
        );
    }

    #[test]
    fn events_below_the_level_are_counted() {
        let act = || {
            tracing::trace!("Never.");
            tracing::debug!("Detail.");
            tracing::info!("Normal.");
            tracing::warn!(n = 1, "Look.");
        };
        for (least, written, skipped) in [
            (Level::Debug, 3, 0),
            (Level::Info, 2, 1),
            (Level::Warn, 1, 2),
            (Level::Error, 0, 3),
        ] {
            let (seen, left_out) = records(least, act);
            assert_eq!((seen.len(), left_out), (written, skipped), "{least:?}");
        }
    }

    #[test]
    fn foreign_events_are_ignored() {
        check(
            || {
                tracing::error!(target: "hyper", "Foreign.");
                tracing::error!(target: "microservice_flask_other", "Foreign.");
            },
            &[],
        );
    }
}
