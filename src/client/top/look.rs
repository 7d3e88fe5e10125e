//! How things look on this terminal: with colours or without, with fine bars or coarse ones. Pure.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::bar;

use crate::status::verdict::VerdictLevel;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    has_colours: bool,
    /// The fonts of consoles have only few of the blocks.
    has_fine_bars: bool,
}

impl Look {
    /// `term` and `no_color` are the variables TERM and NO_COLOR. None: such a terminal cannot place texts.
    pub(super) fn of(term: Option<&str>, no_color: Option<&str>) -> Option<Self> {
        // Without TERM there is a terminal all the same, and nearly all understand the same sequences.
        let term = term.unwrap_or_default();
        let is_like = |names: &[&str]| names.iter().any(|name| term.starts_with(name));
        if is_like(&["dumb", "unknown", "emacs"]) {
            return None;
        }
        let is_old = is_like(&["vt1", "vt2", "ansi-mono"]) || term.ends_with("-m");
        // https://no-color.org: an empty one means nothing.
        let wanted = no_color.is_none_or(str::is_empty);
        Some(Self {
            has_colours: wanted && !is_old,
            has_fine_bars: !is_old && !is_like(&["linux", "cons25", "ansi"]),
        })
    }

    fn colour(self, colour: Color) -> Style {
        let plain = Style::new();
        if self.has_colours {
            plain.fg(colour)
        } else {
            plain
        }
    }

    pub(super) fn verdict(self, level: VerdictLevel) -> Style {
        let style = match level {
            VerdictLevel::Well => self.colour(Color::Green),
            VerdictLevel::Busy => self.colour(Color::Yellow),
            VerdictLevel::Trouble => self.colour(Color::Red),
            VerdictLevel::Down => self.colour(Color::Red).add_modifier(Modifier::REVERSED),
        };
        style.add_modifier(Modifier::BOLD)
    }

    /// Something that is not well.
    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn bars(self) -> Style {
        self.colour(Color::Cyan)
    }

    pub(super) fn bar_set(self) -> bar::Set<'static> {
        if self.has_fine_bars {
            bar::NINE_LEVELS
        } else {
            bar::THREE_LEVELS
        }
    }
}

/// The titles of columns.
pub(super) fn title() -> Style {
    Style::new().add_modifier(Modifier::UNDERLINED)
}

/// What the keys act on.
pub(super) fn selected() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_differ() {
        let look = |term, no_color| {
            Look::of(term, no_color).map(|look| (look.has_colours, look.has_fine_bars))
        };
        for term in ["xterm", "xterm-256color", "screen", "tmux-256color"] {
            assert_eq!(look(Some(term), None), Some((true, true)), "{term}");
        }
        assert_eq!(look(None, Some("")), Some((true, true)));
        assert_eq!(look(Some("linux"), None), Some((true, false)));
        assert_eq!(look(Some("vt220"), None), Some((false, false)));
        assert_eq!(look(Some("xterm"), Some("1")), Some((false, true)));
        assert_eq!(look(Some("dumb"), None), None);
    }

    #[test]
    fn without_colours_there_are_none() {
        let look = Look::of(Some("xterm"), Some("1")).unwrap();
        let styles = [
            look.verdict(VerdictLevel::Down),
            look.verdict(VerdictLevel::Well),
            look.bad(),
            look.bars(),
        ];
        assert!(styles.iter().all(|style| style.fg.is_none()), "{styles:?}");
    }
}
