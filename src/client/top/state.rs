//! What `top` shows, and what its keys do. Pure: a key changes the state and may ask for something to be done.

use super::keys::TypedKey;
use super::rows::{self, Row};
use super::texts;
use super::view::{Sort, View};
use crate::status::StatusReport;

/// What the keys mean at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Browse,
    /// They write the filter.
    Filter,
    /// Everything about a worker, as long as it changes.
    Worker(u32),
    /// A text that does not change.
    Text {
        title: String,
        text: String,
    },
    /// Whether the worker is to be ended.
    Ask {
        worker: u32,
        pid: i32,
        question: String,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TopAction {
    Quit,
    /// Ctrl-Z.
    Stop,
    /// Ctrl-L: the terminal shows something else.
    Redraw,
    /// End a worker.
    End(u32),
    /// Ask for the Python stacks of a worker.
    Stacks(u32),
}

/// Everything that is shown.
#[derive(Clone, Debug)]
pub(super) struct Top {
    pub(super) report: StatusReport,
    /// For how long the launcher has not answered, in seconds, and why; none: it answers.
    pub(super) silence: Option<(u64, String)>,
    pub(super) view: View,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    pub(super) mode: Mode,
    /// Lines of the text above its first one that is shown.
    pub(super) scroll: u16,
    /// What came of the last command, until the next key.
    pub(super) message: String,
    /// Rows of a page, as drawn last.
    page: usize,
    /// The key of the selected row, and its place.
    selected: (String, usize),
}

impl Top {
    pub(super) fn new(report: StatusReport) -> Self {
        let mut top = Self {
            report,
            silence: None,
            view: View::Workers,
            sort: Sort::Age,
            is_reversed: false,
            filter: String::new(),
            mode: Mode::Browse,
            scroll: 0,
            message: String::new(),
            page: 10,
            selected: (String::new(), 0),
        };
        top.select(0);
        top
    }

    /// The rows of the view, and which of them is selected.
    pub(super) fn rows(&self) -> (Vec<Row>, Option<usize>) {
        let rows = self.all_rows();
        let (key, place) = &self.selected;
        let same = rows.iter().position(|row| row.key == *key);
        let last = rows.len().checked_sub(1);
        let selected = same.or_else(|| last.map(|last| (*place).min(last)));
        (rows, selected)
    }

    fn all_rows(&self) -> Vec<Row> {
        let mut rows = rows::rows(&self.report, self.view, self.sort, self.is_reversed);
        rows.retain(|row| row.has(&self.filter));
        rows
    }

    fn selected(&self) -> Option<Row> {
        let (mut rows, selected) = self.rows();
        selected.map(|place| rows.swap_remove(place))
    }

    fn select(&mut self, place: usize) {
        let rows = self.all_rows();
        let place = place.min(rows.len().saturating_sub(1));
        let key = rows
            .get(place)
            .map_or_else(String::new, |row| row.key.clone());
        self.selected = (key, place);
    }

    /// A new report has come.
    pub(super) fn take(&mut self, report: StatusReport) {
        self.report = report;
        self.silence = None;
        let (rows, selected) = self.rows();
        // The place of the row is kept, for when it is gone.
        if let Some(place) = selected {
            self.selected = (rows[place].key.clone(), place);
        }
    }

    /// The picture has room for so many rows, and needs no more lines above it.
    pub(super) fn drawn(&mut self, page: usize, scroll: u16) {
        self.page = page.max(1);
        self.scroll = scroll;
    }

    /// A text that came as the answer to a command.
    pub(super) fn show(&mut self, title: String, text: String) {
        (self.mode, self.scroll) = (Mode::Text { title, text }, 0);
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: TypedKey) -> Option<TopAction> {
        self.message.clear();
        match key {
            TypedKey::Ctrl('c') => return Some(TopAction::Quit),
            TypedKey::Ctrl('z') => return Some(TopAction::Stop),
            TypedKey::Ctrl('l') => return Some(TopAction::Redraw),
            _ => {}
        }
        match self.mode.clone() {
            Mode::Browse => self.browse(key),
            Mode::Filter => {
                self.write_filter(key);
                None
            }
            Mode::Worker(id) => self.in_worker(id, key),
            Mode::Text { .. } => {
                self.in_text(key);
                None
            }
            Mode::Ask { worker, pid, .. } => self.answer(worker, pid, key),
        }
    }

    fn browse(&mut self, key: TypedKey) -> Option<TopAction> {
        let (_, selected) = self.rows();
        let place = selected.unwrap_or_default();
        match key {
            TypedKey::Char('q') => return Some(TopAction::Quit),
            TypedKey::Char('?' | 'h') => self.show("Help".to_owned(), texts::HELP.to_owned()),
            TypedKey::Char('/') => self.mode = Mode::Filter,
            TypedKey::Escape if !self.filter.is_empty() => {
                self.filter.clear();
                self.select(0);
            }
            TypedKey::Char(digit @ '1'..='5') => {
                let index = usize::from(u8::try_from(digit).unwrap_or(b'1') - b'1');
                self.look_at(View::ALL[index]);
            }
            TypedKey::Tab => self.look_at(self.view.moved(1)),
            TypedKey::BackTab => self.look_at(self.view.moved(View::ALL.len() - 1)),
            TypedKey::Up => self.select(place.saturating_sub(1)),
            TypedKey::Down => self.select(place + 1),
            TypedKey::PageUp => self.select(place.saturating_sub(self.page)),
            TypedKey::PageDown => self.select(place + self.page),
            TypedKey::Home => self.select(0),
            TypedKey::End => self.select(usize::MAX),
            TypedKey::Enter => self.look_into(),
            TypedKey::Char('k') => self.ask(self.selected()?.worker),
            TypedKey::Char('s') => match self.selected()?.worker {
                Some(worker) => return Some(TopAction::Stacks(worker)),
                None => texts::NO_WORKER.clone_into(&mut self.message),
            },
            TypedKey::Char(letter) => self.sort_by(letter),
            _ => {}
        }
        None
    }

    fn look_at(&mut self, view: View) {
        self.view = view;
        self.select(0);
    }

    fn look_into(&mut self) {
        let Some(row) = self.selected() else {
            return;
        };
        if let Some(worker) = row.worker {
            (self.mode, self.scroll) = (Mode::Worker(worker), 0);
        } else if let Some((title, text)) = texts::of(&self.report, self.view, &row.key) {
            self.show(title, text);
        }
    }

    fn sort_by(&mut self, letter: char) {
        let (View::Workers, Some(sort)) = (self.view, Sort::of(letter)) else {
            return;
        };
        // The same key again turns the order round.
        self.is_reversed = self.sort == sort && !self.is_reversed;
        self.sort = sort;
        self.select(0);
    }

    fn write_filter(&mut self, key: TypedKey) {
        match key {
            TypedKey::Char(letter) => self.filter.push(letter),
            TypedKey::Backspace => {
                self.filter.pop();
            }
            TypedKey::Ctrl('u') => self.filter.clear(),
            TypedKey::Escape => {
                self.filter.clear();
                self.mode = Mode::Browse;
            }
            TypedKey::Enter => self.mode = Mode::Browse,
            _ => return,
        }
        self.select(0);
    }

    fn in_worker(&mut self, id: u32, key: TypedKey) -> Option<TopAction> {
        match key {
            TypedKey::Char('k') => self.ask(Some(id)),
            TypedKey::Char('s') => return Some(TopAction::Stacks(id)),
            other => self.in_text(other),
        }
        None
    }

    fn in_text(&mut self, key: TypedKey) {
        let page = u16::try_from(self.page).unwrap_or(u16::MAX);
        self.scroll = match key {
            TypedKey::Up => self.scroll.saturating_sub(1),
            TypedKey::Down => self.scroll.saturating_add(1),
            TypedKey::PageUp => self.scroll.saturating_sub(page),
            TypedKey::PageDown | TypedKey::Char(' ') => self.scroll.saturating_add(page),
            TypedKey::Home => 0,
            TypedKey::End => u16::MAX,
            TypedKey::Escape | TypedKey::Enter | TypedKey::Char('q' | '?' | 'h') => {
                self.mode = Mode::Browse;
                0
            }
            _ => self.scroll,
        };
    }

    fn ask(&mut self, worker: Option<u32>) {
        let workers = &self.report.workers;
        let Some(found) = workers.iter().find(|found| Some(found.id) == worker) else {
            texts::NO_WORKER.clone_into(&mut self.message);
            return;
        };
        self.mode = Mode::Ask {
            worker: found.id,
            pid: found.pid,
            question: texts::question(found),
        };
    }

    fn answer(&mut self, worker: u32, pid: i32, key: TypedKey) -> Option<TopAction> {
        self.mode = Mode::Browse;
        if key != TypedKey::Char('y') {
            self.message = format!("Worker {worker} was not ended.");
            return None;
        }
        let workers = &self.report.workers;
        if workers
            .iter()
            .any(|found| (found.id, found.pid) == (worker, pid))
        {
            return Some(TopAction::End(worker));
        }
        self.message = format!("Worker {worker} has another process by now: it was not ended.");
        None
    }
}
