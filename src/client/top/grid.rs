//! The rows as a table: which columns have room, and how wide they are. Pure.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row as Drawn, Table, TableState};

use super::look::{self, Look};
use super::rows::Row;
use super::view::{Sort, View};
use crate::status::words::{cut, fit};

/// A column of a view.
struct Column {
    title: &'static str,
    width: u16,
    /// It is shown on terminals of so many columns, and more.
    from: u16,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    /// Takes the room that the others leave. Of what is too long, the middle is left out.
    Path,
    /// The same, and the end is left out.
    Sentence,
}

const fn column(title: &'static str, width: u16, from: u16, kind: Kind) -> Column {
    Column {
        title,
        width,
        from,
        kind,
    }
}

/// The columns of a view, in the order of the cells of its rows.
fn columns(view: View) -> &'static [Column] {
    use Kind::{Number, Path, Sentence, Text};
    const WORKERS: &[Column] = &[
        column("#", 3, 0, Number),
        column("pid", 7, 40, Number),
        column("state", 8, 60, Text),
        column("age", 6, 0, Number),
        column("queue", 5, 76, Number),
        column("request", 0, 0, Path),
        column("id", 8, 96, Text),
        column("reqs", 7, 70, Number),
        column("pss", 5, 46, Number),
        column("cpu%", 5, 52, Number),
        column("up", 5, 84, Number),
        column("ended", 24, 120, Text),
    ];
    const REQUESTS: &[Column] = &[
        column("age", 6, 0, Number),
        column("queue", 6, 50, Number),
        column("#", 3, 30, Number),
        column("request", 0, 0, Path),
        column("id", 8, 44, Text),
    ];
    const SLOW: &[Column] = &[
        column("at", 8, 40, Text),
        column("took", 7, 0, Number),
        column("queue", 7, 66, Number),
        column("app", 7, 66, Number),
        column("code", 4, 30, Number),
        column("#", 3, 56, Number),
        column("request", 0, 0, Path),
        column("id", 8, 76, Text),
        column("reason", 14, 110, Text),
    ];
    const ERRORS: &[Column] = &[
        column("last", 8, 40, Text),
        column("times", 5, 0, Number),
        column("error", 0, 0, Sentence),
        column("at", 28, 100, Text),
        column("request", 20, 76, Text),
        column("id", 8, 60, Text),
    ];
    const EVENTS: &[Column] = &[
        column("at", 8, 30, Text),
        column("level", 5, 50, Text),
        column("event", 0, 0, Sentence),
    ];
    match view {
        View::Workers => WORKERS,
        View::Requests => REQUESTS,
        View::Slow => SLOW,
        View::Errors => ERRORS,
        View::Events => EVENTS,
    }
}

/// What is drawn.
pub(super) struct Grid<'a> {
    pub(super) view: View,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) rows: &'a [Row],
    pub(super) selected: Option<usize>,
}

/// Draws the table. The titles are left out where there is no room for them.
pub(super) fn draw(grid: &Grid, has_titles: bool, look: Look, area: Rect, frame: &mut Frame) {
    let shown: Vec<(usize, &Column)> = columns(grid.view)
        .iter()
        .enumerate()
        .filter(|(_, column)| column.from <= area.width)
        .collect();
    let gaps = u16::try_from(shown.len().saturating_sub(1)).unwrap_or(u16::MAX);
    let fixed: u16 = shown.iter().map(|(_, column)| column.width).sum();
    let rest = area.width.saturating_sub(fixed.saturating_add(gaps));
    let width = |column: &Column| match column.kind {
        Kind::Number | Kind::Text => column.width,
        Kind::Path | Kind::Sentence => rest,
    };
    let rows = grid.rows.iter().map(|row| {
        let cells = shown.iter().map(|(index, column)| {
            let text = row.cells.get(*index).map_or("", String::as_str);
            cell(text, column.kind, width(column).into())
        });
        let style = if row.is_bad { look.bad() } else { Style::new() };
        Drawn::new(cells).style(style)
    });
    let widths = shown
        .iter()
        .map(|(_, column)| Constraint::Length(width(column)));
    let mut table = Table::new(rows, widths)
        .column_spacing(1)
        .row_highlight_style(look::selected());
    if has_titles {
        let titles = shown
            .iter()
            .map(|(_, column)| cell(&title(grid, column), column.kind, width(column).into()));
        table = table.header(Drawn::new(titles).style(look::title()));
    }
    let mut state = TableState::default().with_selected(grid.selected);
    frame.render_stateful_widget(table, area, &mut state);
}

fn cell(text: &str, kind: Kind, width: usize) -> Cell<'static> {
    Cell::new(match kind {
        Kind::Number => Line::raw(cut(text, width)).right_aligned(),
        Kind::Path => Line::raw(fit(text, width)),
        Kind::Text | Kind::Sentence => Line::raw(cut(text, width)),
    })
}

/// The title, with the direction if the rows are sorted by it.
fn title(grid: &Grid, column: &Column) -> String {
    let sorted = match grid.sort {
        Sort::Age => "age",
        Sort::Cpu => "cpu%",
        Sort::Memory => "pss",
        Sort::Requests => "reqs",
        Sort::Number => "#",
    };
    if grid.view != View::Workers || column.title != sorted {
        return column.title.to_owned();
    }
    let mark = if grid.is_reversed { '▲' } else { '▼' };
    let name = cut(column.title, usize::from(column.width).saturating_sub(1));
    format!("{name}{mark}")
}
