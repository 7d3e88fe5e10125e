//! Output and exit of a command.

use crate::log::{Line, Log, Stream};
use crate::running::Exit;

/// A command that has ended.
pub(crate) struct Output {
    pub(crate) exit: Exit,
    pub(crate) log: Log,
}

impl Output {
    pub(crate) fn stdout(&self) -> String {
        join(&self.log.filter(|line| line.stream == Stream::Stdout))
    }

    /// stdout and stderr together.
    pub(crate) fn text(&self) -> String {
        join(&self.log.lines())
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.exit.code,
            Some(code),
            "{:?} said:\n{}",
            self.exit,
            self.text()
        );
        self
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, text: &str) -> &Self {
        assert!(
            self.text().contains(text),
            "nothing says {text:?}:\n{}",
            self.text()
        );
        self
    }
}

fn join(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}
