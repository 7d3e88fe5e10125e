//! What has come of the reloads, and who had asked for them.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::reload_answer::{ReloadAnswer, ReloadOutcome};
use crate::status::{CurrentReload, GenerationInfo, GenerationStatus, LastReload, ReloadsStatus};

/// Generations that are remembered.
const REMEMBERED: usize = 20;

/// Who asks for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedBy {
    Signal,
    Command,
    Application,
}

impl AskedBy {
    /// Text for operators.
    fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "a signal (HUP)",
            Self::Command => "the command reload",
            Self::Application => "the application",
        }
    }
}

/// The history of one run.
#[derive(Debug, Default)]
pub(super) struct ReloadHistory {
    counts: BTreeMap<&'static str, u64>,
    current: Option<(AskedBy, Instant)>,
    /// Who has asked for the one that follows the present one.
    next: Option<AskedBy>,
    last: Option<LastReload>,
    generations: Vec<GenerationStatus>,
}

impl ReloadHistory {
    /// A reload begins, or somebody asks for the one that is under way.
    pub(super) fn begin(&mut self, by: AskedBy) {
        self.current.get_or_insert((by, Instant::now()));
    }

    /// Somebody asks for one that follows the present one.
    pub(super) fn queue(&mut self, by: AskedBy) {
        self.next.get_or_insert(by);
    }

    /// The present one ends. Returns who has asked for the next one.
    pub(super) fn end(&mut self, answer: &ReloadAnswer) -> Option<AskedBy> {
        if let Some((by, begun)) = self.current.take() {
            self.count(answer, by, begun.elapsed().as_secs_f64());
        }
        self.next.take()
    }

    /// A request for a reload is refused at once.
    pub(super) fn refuse(&mut self, answer: &ReloadAnswer, by: AskedBy) {
        self.count(answer, by, 0.0);
    }

    /// A generation serves from now on.
    pub(super) fn serves(&mut self, info: &GenerationInfo) {
        if self.generations.len() >= REMEMBERED {
            self.generations.remove(0);
        }
        self.generations.push(GenerationStatus {
            number: info.generation,
            ts: jiff::Timestamp::now().to_string(),
            slots: info.plan.slots,
        });
    }

    pub(super) fn generations(&self) -> Vec<GenerationStatus> {
        self.generations.clone()
    }

    /// What is known of the reloads; every outcome is named.
    pub(super) fn status(&self) -> ReloadsStatus {
        let count = |outcome: ReloadOutcome| {
            let name = outcome.as_str();
            (
                name.to_owned(),
                self.counts.get(name).copied().unwrap_or_default(),
            )
        };
        ReloadsStatus {
            outcomes: ReloadOutcome::ALL.into_iter().map(count).collect(),
            last: self.last.clone(),
            current: self.current.map(|(by, begun)| CurrentReload {
                asked_by: by.as_str().to_owned(),
                seconds: begun.elapsed().as_secs_f64(),
            }),
        }
    }

    fn count(&mut self, answer: &ReloadAnswer, by: AskedBy, seconds: f64) {
        *self.counts.entry(answer.outcome.as_str()).or_default() += 1;
        self.last = Some(LastReload {
            outcome: answer.outcome.as_str().to_owned(),
            asked_by: by.as_str().to_owned(),
            ts: jiff::Timestamp::now().to_string(),
            seconds,
            text: answer.text.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(outcome: ReloadOutcome) -> ReloadAnswer {
        ReloadAnswer {
            outcome,
            text: "x".to_owned(),
        }
    }

    #[test]
    fn each_reload_counts_once_for_who_asked_first() {
        let mut history = ReloadHistory::default();
        history.begin(AskedBy::Signal);
        history.begin(AskedBy::Command);
        history.queue(AskedBy::Application);
        history.queue(AskedBy::Signal);
        assert_eq!(history.status().current.unwrap().asked_by, "a signal (HUP)");
        let next = history.end(&answer(ReloadOutcome::RolledBack));
        assert_eq!(next, Some(AskedBy::Application));
        let status = history.status();
        assert_eq!(status.current, None);
        let last = status.last.unwrap();
        assert_eq!(
            (last.outcome.as_str(), last.asked_by.as_str()),
            ("rolled_back", "a signal (HUP)")
        );
        history.refuse(&answer(ReloadOutcome::Refused), AskedBy::Command);
        assert_eq!(
            history.end(&answer(ReloadOutcome::Committed)),
            None,
            "there was none"
        );
        let outcomes = history.status().outcomes;
        let expected = [
            ("committed", 0),
            ("invalid", 0),
            ("refused", 1),
            ("rolled_back", 1),
        ];
        let seen: Vec<_> = outcomes
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        assert_eq!(seen, expected);
    }
}
