//! The launcher's own events: `tracing` in, records of the log out.
//!
//! An event is written as fields first, then a sentence: `warn!(part = "nginx", code, "Part ended.")`.
//! Fields of the spans around it are its fields too, the innermost counts. In `run` events go
//! through the one log ([`init`]); a command that has no log writes text to stderr ([`init_stderr`]).
//! Events of libraries are left out: none of them is about what the launcher does.

#![forbid(unsafe_code)]

use std::{
    fmt,
    io::{self, Write},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

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

use crate::logs::{self, Format, Level, Sink, Source, batch::Batch, render::Renderer};

/// Events of this target, and of those below it, are ours.
const TARGET: &str = "microservice_flask";

/// Carries events into the log from now on, for the rest of the process.
pub fn init(sink: Sink) -> Result<(), TryInitError> {
    tracing_subscriber::registry()
        .with(Telemetry { to: sink })
        .try_init()
}

/// Writes events to stderr from now on; for commands, and for development mode.
pub fn init_stderr(format: Format) -> Result<(), TryInitError> {
    let to = Stderr {
        renderer: Mutex::new(Renderer::new(format, Source::Launcher)),
    };
    tracing_subscriber::registry()
        .with(Telemetry { to })
        .try_init()
}

/// The layer that turns events into records of the log.
pub fn layer<S>(sink: Sink) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Telemetry { to: sink }
}

/// Where records go.
trait Destination: Send + Sync + 'static {
    fn write(&self, level: Level, message: &str, fields: &[(&str, Value)]);
}

impl Destination for Sink {
    fn write(&self, level: Level, message: &str, fields: &[(&str, Value)]) {
        Sink::write(self, level, message, fields);
    }
}

/// stderr, where there is no log.
struct Stderr {
    renderer: Mutex<Renderer>,
}

impl Destination for Stderr {
    fn write(&self, level: Level, message: &str, fields: &[(&str, Value)]) {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let at = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let mut batch = Batch::default();
        let mut renderer = self.renderer.lock().unwrap_or_else(PoisonError::into_inner);
        logs::render_own(&mut renderer, at, level, message, fields, &mut batch);
        // Nobody is left to tell when stderr is gone, and a launcher does not end for that.
        let _ = io::stderr().write_all(batch.bytes());
    }
}

struct Telemetry<D> {
    to: D,
}

impl<S, D> Layer<S> for Telemetry<D>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    D: Destination,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let ours = metadata.target().strip_prefix(TARGET);
        *metadata.level() <= LevelFilter::INFO
            && ours.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
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
        self.to.write(level, &fields.message, &fields.values);
    }
}

/// The fields of a span or an event.
#[derive(Default)]
struct Fields {
    message: String,
    values: Vec<(&'static str, Value)>,
}

impl Fields {
    /// A field that is there already gets the new value.
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
    use std::sync::{Arc, Mutex};

    use super::{Destination, Level, Telemetry, Value};
    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(Level, String, Value)>>>);

    impl Destination for Kept {
        fn write(&self, level: Level, message: &str, fields: &[(&str, Value)]) {
            let fields = fields
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect();
            self.0
                .lock()
                .unwrap()
                .push((level, message.to_owned(), Value::Object(fields)));
        }
    }

    #[track_caller]
    fn check(act: impl FnOnce(), expected: &[(Level, &str, Value)]) {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::registry().with(Telemetry { to: kept.clone() });
        tracing::subscriber::with_default(subscriber, act);
        let expected: Vec<_> = expected
            .iter()
            .map(|(l, m, f)| (*l, (*m).to_owned(), f.clone()))
            .collect();
        assert_eq!(*kept.0.lock().unwrap(), expected);
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
    fn fields_of_spans_count_from_the_inside() {
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
    fn causes_of_an_error_are_told() {
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
    fn what_is_not_ours_or_not_grave_is_left_out() {
        check(
            || {
                tracing::debug!("Detail.");
                tracing::error!(target: "hyper", "Foreign.");
                tracing::error!(target: "microservice_flask_other", "Foreign.");
            },
            &[],
        );
    }
}
