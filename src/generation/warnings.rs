//! The warnings about a configuration that is taken, for the log and the status.

use crate::config::problem::{Finding, Severity};
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

/// The same warnings, each as one text with its place and the remedy.
pub(super) fn texts(context: &Context) -> Vec<String> {
    let findings = &context.findings;
    let warnings = findings
        .list
        .iter()
        .filter(|finding| finding.severity == Severity::Warning);
    let text = |finding: &Finding| {
        let place = findings.place(finding);
        format!("{place}: {}; {}", finding.what, finding.hint)
    };
    warnings.map(text).collect()
}
