//! What is wrong with an input: place, value, cause and what to do. Every problem of an input is reported at once.

use std::fmt;
use std::path::PathBuf;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The service is not started with it.
    Problem,
    /// The service runs; someone should look.
    Warning,
}

/// One finding in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it stops the service.
    pub severity: Severity,
    /// JSON pointer (RFC 6901) of the value, or empty for the whole file.
    pub at: String,
    /// What is wrong, with the value.
    pub what: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// All findings of one file, in the order of the file's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// What was found.
    pub list: Vec<Finding>,
}

impl Findings {
    /// Findings of `file`.
    pub fn of(file: Option<PathBuf>) -> Self {
        Self {
            file,
            list: Vec::new(),
        }
    }

    /// Adds a problem.
    pub fn problem(
        &mut self,
        at: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Problem, at.into(), what.into(), hint.into());
    }

    /// Adds a warning.
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

    /// The findings that stop the service.
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter().filter(|f| f.severity == Severity::Problem)
    }

    /// The findings that do not.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter().filter(|f| f.severity == Severity::Warning)
    }

    /// The place of a finding as people read it: file and pointer.
    pub fn place(&self, finding: &Finding) -> String {
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

    /// Writes one finding as a block of two or three lines.
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

/// Text of a config file as it may reach a terminal: control characters escaped, so that a value cannot forge output.
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
    fn pointers_escape_as_rfc_6901_says() {
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
