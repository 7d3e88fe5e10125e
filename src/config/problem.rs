//! Findings in a configuration: position, cause and hint. All of them are collected, so that they are reported at once.

use std::fmt;
use std::path::PathBuf;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The service is not started.
    Problem,
    /// The service is started.
    Warning,
}

/// One problem or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it prevents the start.
    pub severity: Severity,
    /// JSON pointer (RFC 6901) of the value; empty for the whole file. `$NAME` is a variable of the environment.
    pub at: String,
    /// The message, which includes the value.
    pub what: String,
    /// How to fix it; may be empty.
    pub hint: String,
}

/// All findings of one file, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// None when the service has no config.json.
    pub file: Option<PathBuf>,
    /// Problems and warnings mixed.
    pub list: Vec<Finding>,
}

impl Findings {
    /// No findings yet.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            list: Vec::new(),
        }
    }

    /// Adds a finding that prevents the start.
    pub fn problem(
        &mut self,
        at: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Problem, at.into(), what.into(), hint.into());
    }

    /// Adds a finding that does not prevent the start.
    pub fn warning(
        &mut self,
        at: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Warning, at.into(), what.into(), hint.into());
    }

    fn add(&mut self, severity: Severity, at: String, what: String, hint: String) {
        self.list.push(Finding {
            severity,
            at,
            what,
            hint,
        });
    }

    /// Whether the service must not be started.
    pub fn has_problems(&self) -> bool {
        self.problems().next().is_some()
    }

    /// The findings that prevent the start.
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter().filter(|f| f.severity == Severity::Problem)
    }

    /// The position of a finding for a message: file and JSON pointer.
    pub fn place(&self, finding: &Finding) -> String {
        if let Some(name) = finding.at.strip_prefix('$') {
            return format!("environment: {}", printable(name));
        }
        let file = self
            .file
            .as_ref()
            .map_or_else(|| "configuration".to_owned(), |f| f.display().to_string());
        if finding.at.is_empty() {
            file
        } else {
            format!("{file}: {}", printable(&finding.at))
        }
    }

    /// Formats a finding as a block of two or three lines.
    pub fn show(&self, finding: &Finding) -> String {
        let kind = match finding.severity {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
        };
        let mut text = format!(
            "{kind}: {}\n  {}",
            self.place(finding),
            printable(&finding.what)
        );
        if !finding.hint.is_empty() {
            text.push_str("\n  hint: ");
            text.push_str(&printable(&finding.hint));
        }
        text
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.show(finding))?;
        }
        Ok(())
    }
}

/// Escapes control characters, so that a value from a config file cannot forge output on a terminal.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A JSON pointer (RFC 6901) to `key` below `parent`.
pub fn pointer(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_escaped_by_rfc_6901() {
        assert_eq!(
            pointer("/nginx_config/static", "/a~b/"),
            "/nginx_config/static/~1a~0b~1"
        );
    }

    #[test]
    fn values_cannot_forge_output() {
        let mut findings = Findings::default();
        findings.problem("/x", "bad \u{1b}[31m\nproblem: forged", "");
        assert_eq!(
            findings.to_string(),
            "problem: configuration: /x\n  bad \\u{1b}[31m\\nproblem: forged"
        );
    }
}
