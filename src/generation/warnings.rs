//! The log's warnings about a configuration that is taken.

use crate::config::problem::Severity;
use crate::context::Context;

/// Logs the warnings about the configuration and the environment; problems are no matter of a taken one.
pub(crate) fn log(context: &Context) {
    let findings = &context.findings;
    for finding in &findings.list {
        if finding.severity == Severity::Warning {
            tracing::warn!(
                at = findings.place(finding),
                hint = finding.hint,
                "Configuration: {}.",
                finding.what
            );
        }
    }
}
