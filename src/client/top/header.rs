//! The lines above the rows: is it well, how loaded is it, how fast, how much memory. Pure.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Sparkline;

use super::look::Look;
use crate::status::verdict::{self, VerdictLevel, busy, duration, slots};
use crate::status::words::{bytes, cut, latency};
use crate::status::{ChildRole, Percentiles, StatusReport};

/// From so many lines of a terminal on, all of the header is shown.
const WHOLE: u16 = 12;
/// From so many on, advice too.
const ADVICE: u16 = 24;
/// Between two figures.
const GAP: &str = "   ";
/// Characters of a bar.
const BAR: usize = 10;

/// Draws it from the first line on, and says how many lines it has. `silence`: the launcher does not answer.
pub(super) fn draw(
    report: &StatusReport,
    silence: Option<&(u64, String)>,
    look: Look,
    frame: &mut Frame,
) -> u16 {
    let area = frame.area();
    let verdict = verdict::verdict(report);
    let name = report.name.replace('\n', " ");
    let (text, style) = match silence {
        Some((seconds, why)) => (
            format!("{name}: no answer for {seconds} s: {why}"),
            look.verdict(VerdictLevel::Down),
        ),
        None => (
            format!("{name} {}", verdict.text),
            look.verdict(verdict.level),
        ),
    };
    let mut lines = vec![Line::styled(cut(&text, area.width.into()), style)];
    if area.height >= ADVICE && verdict.level > VerdictLevel::Well && silence.is_none() {
        let advice = verdict.advice.first();
        lines
            .extend(advice.map(|advice| Line::raw(cut(&format!("  {advice}"), area.width.into()))));
    }
    if area.height >= WHOLE {
        lines.push(fitting(load(report, look), area.width));
    }
    let mut height = 0;
    for line in lines {
        frame.render_widget(line, row(area, height));
        height += 1;
    }
    if area.height >= WHOLE {
        rate(report, look, row(area, height), frame);
        frame.render_widget(fitting(times(report), area.width), row(area, height + 1));
        height += 2;
    }
    height
}

/// One line of the area.
fn row(area: Rect, line: u16) -> Rect {
    Rect::new(area.x, area.y + line, area.width, 1).intersection(area)
}

/// The figures that fit, the most important first.
fn fitting(figures: Vec<Vec<Span<'static>>>, width: u16) -> Line<'static> {
    let mut line = Line::default();
    for figure in figures {
        let gap = if line.spans.is_empty() { "" } else { GAP };
        let more: usize = figure.iter().map(Span::width).sum();
        if line.width() + gap.len() + more <= width.into() {
            line.push_span(gap);
            line.extend(figure);
        }
    }
    line
}

fn load(report: &StatusReport, look: Look) -> Vec<Vec<Span<'static>>> {
    let (busy, slots) = (busy(report), slots(report));
    let mut figures = vec![share_of(
        "busy",
        busy as u64,
        slots as u64,
        &format!("{busy}/{slots}"),
        look,
    )];
    let queue = match (report.waiting, report.oldest_wait_seconds) {
        (Some(0), _) => Span::raw("queue 0"),
        (Some(waiting), oldest) => {
            let text = format!("queue {waiting} ({:.1} s)", oldest.unwrap_or_default());
            Span::styled(text, look.bad())
        }
        (None, _) => Span::raw("queue unknown"),
    };
    figures.push(vec![queue]);
    let group = &report.resources;
    match (group.memory_working_set_bytes, group.memory_limit_bytes) {
        (Some(used), Some(limit)) => {
            let text = format!("{}/{}", bytes(used), bytes(limit));
            figures.push(share_of("mem", used, limit, &text, look));
        }
        (Some(used), None) => figures.push(vec![Span::raw(format!("mem {}", bytes(used)))]),
        (None, _) => {}
    }
    let finishing = report.finishing.iter();
    let old = match finishing.map(|worker| worker.serving.len()).sum::<usize>() {
        0 => String::new(),
        requests => format!(" (old: {requests})"),
    };
    figures.push(vec![Span::raw(format!("gen {}{old}", report.generation))]);
    figures.push(vec![Span::raw(format!(
        "up {}",
        duration(report.uptime_seconds)
    ))]);
    let restarts = report.children.iter();
    let restarts = restarts.filter(|child| child.role == ChildRole::Serving && child.restarts > 0);
    figures.extend(restarts.map(|child| {
        let text = format!("{} restarts {}", child.name, child.restarts);
        vec![Span::styled(text, look.bad())]
    }));
    figures
}

/// A bar for a part of all.
fn share_of(name: &str, part: u64, all: u64, text: &str, look: Look) -> Vec<Span<'static>> {
    let (part, all) = (u128::from(part), u128::from(all.max(1)));
    let full = BAR as u128 * part / all;
    let full = usize::try_from(full).unwrap_or(BAR).min(BAR);
    // From nine tenths on it is scarce.
    let style = if part * 10 >= all * 9 {
        look.bad()
    } else {
        look.bars()
    };
    vec![
        Span::raw(format!("{name} ")),
        Span::styled("█".repeat(full), style),
        Span::styled("░".repeat(BAR - full), look.bars()),
        Span::raw(format!(" {text}")),
    ]
}

/// Requests a second, now and in the last minute, and those that failed.
fn rate(report: &StatusReport, look: Look, area: Rect, frame: &mut Frame) {
    let minute = &report.traffic.last_minute;
    let bad = |count: u64| {
        if count > 0 { look.bad() } else { Style::new() }
    };
    let before = Line::raw(format!("req/s {:.1} ", minute.per_second));
    let after = Line::from(vec![
        Span::raw(format!(" 4xx {}", minute.client_errors)),
        Span::raw("  "),
        Span::styled(
            format!("5xx {}", minute.server_errors),
            bad(minute.server_errors),
        ),
        Span::raw("  "),
        Span::styled(
            format!("timeouts {}", report.traffic.timeouts),
            bad(report.traffic.timeouts),
        ),
    ]);
    let [left, right] =
        [before.width(), after.width()].map(|width| u16::try_from(width).unwrap_or(u16::MAX));
    let room = area.width.saturating_sub(left.saturating_add(right));
    frame.render_widget(before, area);
    if room == 0 {
        return;
    }
    let values = &report.traffic.per_second;
    let shown = &values[values.len().saturating_sub(room.into())..];
    let used = u16::try_from(shown.len()).unwrap_or(room);
    let sparkline = Sparkline::default()
        .data(shown.iter().map(|value| u64::from(*value)))
        .bar_set(look.bar_set())
        .style(look.bars());
    // The present second is always at the same place.
    let end = area.x + left + room;
    frame.render_widget(sparkline, Rect::new(end - used, area.y, used, 1));
    frame.render_widget(after, Rect::new(end, area.y, right, 1));
}

/// How long requests of the last minute took, waited, and were in the application.
fn times(report: &StatusReport) -> Vec<Vec<Span<'static>>> {
    let minute = &report.traffic.last_minute;
    let all = &minute.duration;
    let text = |text: String| vec![Span::raw(text)];
    let part = |name: &str, part: &Percentiles| {
        let [p50, p99] = [part.p50, part.p99].map(latency);
        text(format!("{name} {p50}/{p99}"))
    };
    let [p50, p90, p99] = [all.p50, all.p90, all.p99].map(latency);
    let mut figures = vec![
        text(format!("p50 {p50}  p90 {p90}  p99 {p99}")),
        part("queue", &minute.queue),
        part("app", &minute.app),
    ];
    let own = &report.resources.launcher;
    if let (Some(memory), Some(share)) = (own.pss_bytes, own.cpu_share) {
        figures.push(text(format!(
            "launcher {} {:.1} %",
            bytes(memory),
            share * 100.0
        )));
    }
    figures
}
