//! What a rule found, and what it does not enforce yet.

/// All that breaks a rule, once for each key.
#[derive(Default)]
pub(crate) struct Report {
    found: Vec<Finding>,
}

struct Finding {
    /// What breaks the rule, without line numbers: the entry for a list of exceptions.
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

    /// Fails on all findings but those in `not_yet`, and on entries of `not_yet` that break the rule no more.
    #[track_caller]
    pub(crate) fn enforce(&self, not_yet: &[&str]) {
        let problems = self.problems(not_yet);
        assert!(
            problems.is_empty(),
            "{} broken:\n{}",
            problems.len(),
            problems.join("\n")
        );
    }

    fn problems(&self, not_yet: &[&str]) -> Vec<String> {
        let new = self
            .found
            .iter()
            .filter(|finding| !not_yet.contains(&finding.key.as_str()))
            .map(|finding| format!("{}\n    key: {}", finding.message, finding.key));
        let fixed = not_yet
            .iter()
            .filter(|entry| self.found.iter().all(|finding| finding.key != **entry))
            .map(|entry| format!("NOT_YET: \"{entry}\" is kept now: remove the entry"));
        new.chain(fixed).collect()
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
fn only_what_is_not_listed_fails() {
    let mut report = Report::default();
    report.add("a".into(), "src/a.rs:1: wrong".into());
    report.add("a".into(), "src/a.rs:9: wrong".into());
    report.add("b".into(), "src/b.rs:1: wrong".into());
    assert_eq!(
        report.messages(),
        ["src/a.rs:1: wrong", "src/b.rs:1: wrong"]
    );
    assert_eq!(report.problems(&["a", "b"]), Vec::<String>::new());
    assert_eq!(
        report.problems(&["b", "c"]),
        [
            "src/a.rs:1: wrong\n    key: a",
            "NOT_YET: \"c\" is kept now: remove the entry"
        ]
    );
}
