//! The last errors, for `status`: an operator's first question is what went wrong just now. Pure.

use super::record::Source;

/// How many are kept.
pub(super) const KEPT: usize = 20;

/// Characters of a message that are kept.
const CHARS: usize = 500;

/// An error that was written to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// RFC 3339, UTC.
    pub ts: String,
    /// The part that wrote it.
    pub source: Source,
    /// The beginning of what it says; may hold line ends.
    pub message: String,
}

impl Recent {
    /// Keeps the beginning of a message.
    pub(super) fn new(ts: &[u8], source: Source, message: &[u8]) -> Self {
        Self {
            ts: String::from_utf8_lossy(ts).into_owned(),
            source,
            message: shorten(&String::from_utf8_lossy(message)),
        }
    }
}

/// Stands for what is left out.
const GAP: &str = "\n…\n";

/// The first words and the last: a traceback's last line names the exception.
fn shorten(message: &str) -> String {
    let count = message.chars().count();
    if count <= CHARS {
        return message.to_owned();
    }
    let head: String = message
        .chars()
        .take(CHARS / 4 - GAP.chars().count())
        .collect();
    let tail: String = message.chars().skip(count - CHARS * 3 / 4).collect();
    format!("{head}{GAP}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_keep_both_ends() {
        let long = format!("ERROR in app\n{}\nValueError: boom", "x".repeat(5000));
        let short = shorten(&long);
        assert!(
            short.starts_with("ERROR in app\n") && short.ends_with("\nValueError: boom"),
            "{short}"
        );
        assert_eq!(shorten("short"), "short");
    }
}
