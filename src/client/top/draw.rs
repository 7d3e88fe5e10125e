//! The whole picture: header, names of the views, rows, and the line at the bottom; a text or a question over them. Pure.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::grid::{self, Grid};
use super::look::{self, Look};
use super::state::{Mode, Top};
use super::view::View;
use super::{header, rows, texts};
use crate::status::words::cut;

/// Terminals with fewer lines show no names of views and columns.
const LOW: u16 = 8;
const KEYS: &str = "? help  / filter  Enter all about it  s stacks  k end  a c m r n sort  q quit";

/// What the state has to know of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Rows that are seen at the same time.
    pub(super) page: usize,
    /// Lines of the text above its first one that is seen.
    pub(super) scroll: u16,
}

/// Draws the state.
pub(super) fn draw(top: &Top, look: Look, frame: &mut Frame) -> Drawn {
    let area = frame.area();
    if area.is_empty() {
        return Drawn { page: 1, scroll: 0 };
    }
    let mut line = header::draw(&top.report, top.silence.as_ref(), look, frame);
    let is_low = area.height < LOW;
    if !is_low {
        let place = Rect::new(area.x, line, area.width, 1);
        frame.render_widget(views(top, area.width), place);
        line += 1;
    }
    let room = area.height.saturating_sub(line + 1);
    let place = Rect::new(area.x, line, area.width, room).intersection(area);
    let (shown, selected) = top.rows();
    if shown.is_empty() {
        frame.render_widget(Line::raw(nothing(top)), place);
    }
    let grid = Grid {
        view: top.view,
        sort: top.sort,
        is_reversed: top.is_reversed,
        rows: &shown,
        selected,
    };
    if !shown.is_empty() {
        grid::draw(&grid, !is_low, look, place, frame);
    }
    let mut page = usize::from(room.saturating_sub(u16::from(!is_low)));
    let mut scroll = top.scroll;
    match &top.mode {
        Mode::Browse | Mode::Filter => {}
        Mode::Worker(id) => {
            let title = format!("Worker {id}");
            let text = texts::worker(&top.report, *id);
            (page, scroll) = window(&title, &text, top.scroll, place, frame);
        }
        Mode::Text { title, text } => {
            (page, scroll) = window(title, text, top.scroll, place, frame);
        }
        Mode::Ask { question, .. } => ask(question, look, place, frame),
    }
    let bottom = Rect::new(area.x, area.bottom() - 1, area.width, 1);
    frame.render_widget(Clear, bottom);
    frame.render_widget(foot(top, look, area.width), bottom);
    Drawn { page, scroll }
}

/// The names of the views with their keys, and how many rows each has.
fn views(top: &Top, width: u16) -> Line<'static> {
    let name = |view: View, is_short: bool| {
        let count = rows::rows(&top.report, view, top.sort, false).len();
        let text = if is_short && view != top.view {
            format!(" {} ", view.index() + 1)
        } else {
            format!(" {} {} {count} ", view.index() + 1, view.title())
        };
        let style = if view == top.view {
            look::selected()
        } else {
            Style::new()
        };
        Span::styled(text, style)
    };
    let long = Line::from_iter(View::ALL.map(|view| name(view, false)));
    if long.width() <= width.into() {
        return long;
    }
    Line::from_iter(View::ALL.map(|view| name(view, true)))
}

fn nothing(top: &Top) -> String {
    if !top.filter.is_empty() {
        return format!("Nothing has \"{}\" in it; Esc shows all.", top.filter);
    }
    match top.view {
        View::Workers => "No workers are known.",
        View::Requests => "No request is in the application.",
        View::Slow => "No request has taken a second or more.",
        View::Errors => "No errors.",
        View::Events => "No events.",
    }
    .to_owned()
}

/// The line at the bottom: a message, what is being typed, or the keys.
fn foot(top: &Top, look: Look, width: u16) -> Line<'static> {
    let width = usize::from(width);
    if !top.message.is_empty() {
        let style = look.bars().add_modifier(Modifier::BOLD);
        return Line::styled(cut(&top.message, width), style);
    }
    match &top.mode {
        Mode::Filter => Line::raw(cut(
            &format!("/{}_  Enter: keep, Esc: all", top.filter),
            width,
        )),
        Mode::Ask { .. } => Line::styled("y: end it, any other key: no", look.bad()),
        Mode::Worker(_) => Line::raw(cut("Esc back  s stacks  k end  Up, Down", width)),
        Mode::Text { .. } => Line::raw(cut("Esc back  Up, Down", width)),
        Mode::Browse if top.filter.is_empty() => Line::raw(cut(KEYS, width)),
        Mode::Browse => {
            let filter = format!("only \"{}\"", top.filter);
            let text = format!("  {KEYS}");
            Line::from(vec![
                Span::styled(filter, look::selected()),
                Span::raw(text),
            ])
        }
    }
}

/// A text over the rows. Returns the number of its lines that are seen, and of those above them.
fn window(title: &str, text: &str, scroll: u16, area: Rect, frame: &mut Frame) -> (usize, u16) {
    let block = Block::bordered().title(format!(" {title} "));
    let inner = block.inner(area);
    let lines = wrapped(text, inner.width.into());
    let last = lines.len().saturating_sub(inner.height.into());
    let scroll = scroll.min(u16::try_from(last).unwrap_or(u16::MAX));
    let lines: Vec<Line> = lines.into_iter().map(Line::raw).collect();
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).scroll((scroll, 0)).block(block), area);
    (inner.height.into(), scroll)
}

fn ask(question: &str, look: Look, area: Rect, frame: &mut Frame) {
    let inner = usize::from(area.width.saturating_sub(2));
    let lines = wrapped(question, inner);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let place = Rect::new(area.x, area.y, area.width, height).intersection(area);
    let lines: Vec<Line> = lines.into_iter().map(Line::raw).collect();
    let text = Paragraph::new(lines).style(look.bad());
    frame.render_widget(Clear, place);
    if place.height < 3 {
        frame.render_widget(text, place);
    } else {
        frame.render_widget(text.block(Block::bordered()), place);
    }
}

/// Lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let letters: Vec<char> = line.chars().collect();
        if letters.is_empty() {
            lines.push(String::new());
        }
        lines.extend(letters.chunks(width.max(1)).map(String::from_iter));
    }
    lines
}
