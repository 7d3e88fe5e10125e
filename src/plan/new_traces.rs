//! Which of the traces that begin here are recorded.
//!
//! nginx gives each request a traceparent. A tracer in the application that follows its parent (OpenTelemetry's default)
//! decides of traces that begin with itself only, so its sampler for those would never be asked: of the share that
//! `OTEL_TRACES_SAMPLER` names, nginx's flag says the same.

use serde::Serialize;

use crate::host::environment::Environment;

/// How many of 10,000 new traces are flagged as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NewTraces(u16);

impl NewTraces {
    const ALL: Self = Self(10_000);

    /// As OpenTelemetry's specification reads the variables; all for a sampler that is not one of its own.
    pub(super) fn of(environment: &Environment) -> Self {
        let sampler = environment.get("OTEL_TRACES_SAMPLER").unwrap_or_default();
        let sampler = sampler.trim().to_ascii_lowercase();
        match sampler.strip_prefix("parentbased_").unwrap_or(&sampler) {
            "always_off" => Self(0),
            "traceidratio" => Self::share(environment.get("OTEL_TRACES_SAMPLER_ARG")),
            _ => Self::ALL,
        }
    }

    fn share(text: Option<&str>) -> Self {
        let ratio = text.and_then(|text| text.trim().parse::<f64>().ok());
        match ratio.filter(|ratio| (0.0..=1.0).contains(ratio)) {
            Some(0.0) => Self(0),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 1 to 10,000"
            )]
            // nginx knows no smaller share than 0.01 %.
            Some(ratio) => Self((ratio * 10_000.0).round().max(1.0) as u16),
            None => Self::ALL,
        }
    }

    /// Whether all of them are.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks it so whether to leave the field out"
    )]
    pub(crate) fn are_all(&self) -> bool {
        *self == Self::ALL
    }

    /// Hundredths of a percent.
    pub(crate) fn hundredths(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Environment, NewTraces};

    #[test]
    fn variables_of_opentelemetry() {
        for (sampler, argument, expected) in [
            (None, None, 10_000),
            (None, Some("0.1"), 10_000),
            (Some("always_on"), None, 10_000),
            (Some("parentbased_always_on"), Some("0.1"), 10_000),
            (Some("parentbased_always_off"), None, 0),
            (Some("always_off"), None, 0),
            (Some("parentbased_traceidratio"), Some("0.1"), 1000),
            (Some(" ParentBased_TraceIdRatio "), Some(" 0.25 "), 2500),
            (Some("traceidratio"), Some("1e-9"), 1),
            (Some("traceidratio"), Some("0"), 0),
            (Some("traceidratio"), Some("1"), 10_000),
            (Some("traceidratio"), None, 10_000),
            (Some("traceidratio"), Some("NaN"), 10_000),
            (Some("traceidratio"), Some("-0.5"), 10_000),
            (Some("traceidratio"), Some("10 %"), 10_000),
            (Some("parentbased_jaeger_remote"), Some("0.1"), 10_000),
        ] {
            let mut environment = Environment::default();
            let named = [
                ("OTEL_TRACES_SAMPLER", sampler),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ];
            for (name, value) in named {
                let value = value.map(|value| (name.to_owned(), value.to_owned()));
                environment.variables.extend(value);
            }
            let traces = NewTraces::of(&environment);
            assert_eq!(traces.hundredths(), expected, "{sampler:?} {argument:?}");
            assert_eq!(traces.are_all(), expected == 10_000);
        }
    }
}
