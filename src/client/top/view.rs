//! Which rows `top` shows, and in which order. Pure.

/// What the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Workers,
    /// Those in the application, the oldest first.
    Requests,
    /// Those that have ended, the last first.
    Slow,
    Errors,
    Events,
}

impl View {
    pub(super) const ALL: [Self; 5] = [
        Self::Workers,
        Self::Requests,
        Self::Slow,
        Self::Errors,
        Self::Events,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Workers => "Workers",
            Self::Requests => "Requests",
            Self::Slow => "Slow",
            Self::Errors => "Errors",
            Self::Events => "Events",
        }
    }

    pub(super) fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|view| *view == self)
            .unwrap_or_default()
    }

    /// The view so many places to the right; after the last comes the first.
    pub(super) fn moved(self, places: usize) -> Self {
        Self::ALL[(self.index() + places) % Self::ALL.len()]
    }
}

/// By what the workers are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Of their oldest requests.
    Age,
    Cpu,
    Memory,
    Requests,
    Number,
}

impl Sort {
    pub(super) fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'a' => Self::Age,
            'c' => Self::Cpu,
            'm' => Self::Memory,
            'r' => Self::Requests,
            'n' => Self::Number,
            _ => return None,
        })
    }
}
