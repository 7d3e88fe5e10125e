//! The result of a reload as a value: what the launcher answers and `reload` prints. Pure.

use serde::{Deserialize, Serialize};

/// The result of a reload, for those who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReloadAnswer {
    /// What became of the reload.
    pub(crate) outcome: ReloadOutcome,
    /// For people; several lines when there are several reasons.
    pub(crate) text: String,
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReloadOutcome {
    /// The new generation serves.
    Committed,
    /// The new generation was started and given up; the old one serves on.
    RolledBack,
    /// Nothing was started; the old generation serves on.
    Refused,
    /// The configuration is wrong; the old generation serves on.
    Invalid,
}

impl ReloadOutcome {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Committed,
        Self::RolledBack,
        Self::Refused,
        Self::Invalid,
    ];

    /// The word in JSON and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
        }
    }
}
