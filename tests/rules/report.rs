//! What a rule found.

/// All that breaks a rule, once for each key.
#[derive(Default)]
pub(crate) struct Report {
    found: Vec<Finding>,
}

struct Finding {
    /// What breaks the rule, without line numbers.
    key: String,
    /// The place, what is wrong and what is allowed.
    message: String,
}

impl Report {
    /// Later findings with the same key are dropped: the first line is enough to find the others.
    pub(crate) fn add(&mut self, key: String, message: String) {
        if self.found.iter().all(|finding| finding.key != key) {
            self.found.push(Finding { key, message });
        }
    }

    /// Fails with all findings.
    #[track_caller]
    pub(crate) fn enforce(&self) {
        let messages = self.messages();
        assert!(
            messages.is_empty(),
            "{} broken:\n{}",
            messages.len(),
            messages.join("\n")
        );
    }

    /// What a trial compares.
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.found
            .iter()
            .map(|finding| finding.message.as_str())
            .collect()
    }
}

#[test]
fn each_key_is_reported_once() {
    let mut report = Report::default();
    report.enforce();
    report.add("a".into(), "src/a.rs:1: wrong".into());
    report.add("a".into(), "src/a.rs:9: wrong".into());
    report.add("b".into(), "src/b.rs:1: wrong".into());
    assert_eq!(
        report.messages(),
        ["src/a.rs:1: wrong", "src/b.rs:1: wrong"]
    );
}
