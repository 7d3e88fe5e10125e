//! `top` without a terminal: what is drawn, and what keys do.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::draw::draw;
use super::keys::TypedKey;
use super::look::Look;
use super::state::{Mode, Top, TopAction};
use super::view::{Sort, View};
use crate::status::{StatusReport, WorkerState, sample};

/// A service in which 17 workers are busy, one of them for ages.
fn seventeen() -> StatusReport {
    let mut report = sample::report();
    let busy = report.workers[0].clone();
    report.name = "rum".to_owned();
    report.plan.slots = 17;
    report.workers = (1..=17_u32)
        .map(|id| {
            let mut worker = busy.clone();
            (worker.id, worker.pid) = (id, 4_194_304);
            worker.requests = u64::from(20 - id);
            worker.process.pss_bytes = Some(u64::from(id * 7 % 17) << 20);
            let request = &mut worker.serving[0];
            request.seconds = u64::from(id * 5 % 17) * 100;
            request.path = format!("/a/very/long/path/{}/{id}", "x".repeat(200));
            worker
        })
        .collect();
    report
}

fn picture_of(top: &mut Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let look = Look::of(Some("xterm"), None).unwrap();
    let mut drawn = None;
    terminal
        .draw(|frame| drawn = Some(draw(top, look, frame)))
        .unwrap();
    let drawn = drawn.unwrap();
    top.drawn(drawn.page, drawn.scroll);
    let buffer = terminal.backend().buffer();
    let lines: Vec<String> = buffer
        .content
        .chunks(usize::from(width).max(1))
        .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect())
        .collect();
    lines.join("\n")
}

fn press(top: &mut Top, keys: &str) -> Option<TopAction> {
    keys.chars().fold(None, |_, key| {
        let key = if key == '\n' {
            TypedKey::Enter
        } else {
            TypedKey::Char(key)
        };
        top.key(key)
    })
}

/// The numbers of the workers, from above.
fn ids(top: &Top) -> Vec<u32> {
    let (rows, _) = top.rows();
    rows.iter().filter_map(|row| row.worker).collect()
}

/// The worker of the selected row.
fn selected(top: &Top) -> Option<u32> {
    let (rows, selected) = top.rows();
    rows[selected?].worker
}

#[test]
fn seventeen_busy_workers_are_seen_in_80_columns() {
    let mut top = Top::new(seventeen());
    let picture = picture_of(&mut top, 80, 24);
    let lines: Vec<&str> = picture.lines().collect();
    assert!(lines[0].starts_with("rum "), "{picture}");
    let rows = lines.iter().filter(|line| line.contains("4194304 busy"));
    assert!(rows.count() >= 16, "{picture}");
    for text in [
        "17/17",
        "256M/1.0G",
        "queue 3 (0.2 s)",
        "req/s 2.0",
        "5xx 4",
        "timeouts 2",
        "p50 10 ms  p90 100 ms  p99 1.0 s   queue 10 ms/1.0 s   app 10 ms/1.0 s",
        "2 Requests 17",
        "age▼",
        "26 m",
        "GET /a",
        "q quit",
    ] {
        assert!(picture.contains(text), "{text}:\n{picture}");
    }
    // More of everything where there is room.
    let picture = picture_of(&mut top, 200, 50);
    for text in [
        "2 crash",
        "secret-i",
        "launcher 31M 50.0 %",
        "nginx restarts 5",
        "(old: 1)",
    ] {
        assert!(picture.contains(text), "{text}:\n{picture}");
    }
}

#[test]
fn no_size_of_a_terminal_is_too_small() {
    for report in [seventeen(), sample::report(), older()] {
        let mut top = Top::new(report);
        for (width, height) in [
            (20, 5),
            (1, 1),
            (3, 2),
            (80, 8),
            (10, 40),
            (200, 50),
            (0, 0),
        ] {
            for view in "12345".chars() {
                press(&mut top, &view.to_string());
                picture_of(&mut top, width, height);
                for keys in ["\nq", "?\nq", "k", "n", "/e\n", "/"] {
                    press(&mut top, keys);
                    picture_of(&mut top, width, height);
                    top.mode = Mode::Browse;
                    top.filter.clear();
                }
            }
        }
    }
    let mut top = Top::new(seventeen());
    let picture = picture_of(&mut top, 20, 5);
    let lines: Vec<&str> = picture.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("rum "), "{picture}");
    assert!(lines[1].starts_with(" 10   26 m GET"), "{picture}");
}

/// A report of a launcher that knew less.
fn older() -> StatusReport {
    let known = [
        "name",
        "version",
        "phase",
        "ready",
        "reason",
        "pid",
        "started_at",
        "uptime_seconds",
        "generation",
        "config_file",
        "listen",
        "plan",
        "children",
        "restarts",
    ];
    let mut value = serde_json::to_value(sample::report()).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.retain(|name, _| known.contains(&name.as_str()));
    serde_json::from_value(value).unwrap()
}

#[test]
fn workers_are_sorted_as_asked() {
    let mut top = Top::new(seventeen());
    assert_eq!(ids(&top)[..3], [10, 3, 13], "the oldest request first");
    for (key, first) in [("n", 1), ("m", 12), ("r", 1), ("c", 1), ("a", 10)] {
        press(&mut top, key);
        assert_eq!(ids(&top)[0], first, "{key}");
        assert!(!top.is_reversed);
    }
    press(&mut top, "rr");
    assert_eq!((top.sort, ids(&top)[0]), (Sort::Requests, 17));
    // Requests are those of the application, the oldest first.
    press(&mut top, "2n");
    assert_eq!(ids(&top)[..2], [10, 3]);
}

#[test]
fn the_selected_row_stays_so_where_it_moves() {
    let mut top = Top::new(seventeen());
    top.key(TypedKey::Down);
    top.key(TypedKey::Down);
    assert_eq!(selected(&top), Some(13));
    let mut later = seventeen();
    later.workers[12].serving[0].seconds = 9999;
    top.take(later.clone());
    assert_eq!((selected(&top), ids(&top)[0]), (Some(13), 13));
    later.workers.retain(|worker| worker.id != 13);
    top.take(later);
    assert_eq!(selected(&top), Some(10), "the row at its place");
    for (key, expected) in [
        (TypedKey::End, 16),
        (TypedKey::Home, 0),
        (TypedKey::PageDown, 10),
        (TypedKey::PageUp, 0),
    ] {
        top.key(key);
        assert_eq!(top.rows().1.unwrap(), expected.min(15), "{key:?}");
    }
}

#[test]
fn the_filter_finds_paths_ids_and_states() {
    let mut report = seventeen();
    report.workers[4].serving.clear();
    report.workers[4].state = WorkerState::Idle;
    report.workers[6].serving[0].request_id = "0123456789".to_owned();
    let mut top = Top::new(report);
    press(&mut top, "/IDLE");
    assert_eq!(ids(&top), [5]);
    press(&mut top, "x");
    assert!(picture_of(&mut top, 80, 24).contains("Nothing has \"IDLEx\" in it"));
    top.key(TypedKey::Backspace);
    press(&mut top, "\n");
    assert_eq!((ids(&top), top.mode.clone()), (vec![5], Mode::Browse));
    assert!(picture_of(&mut top, 80, 24).contains("only \"IDLE\""));
    top.key(TypedKey::Escape);
    assert_eq!(ids(&top).len(), 17);
    // All of an id, although less is shown.
    press(&mut top, "/6789\n");
    assert_eq!(ids(&top), [7]);
    press(&mut top, "2");
    assert_eq!(ids(&top), [7], "in every view");
}

#[test]
fn a_worker_is_ended_only_after_yes_and_only_itself() {
    let mut top = Top::new(seventeen());
    assert_eq!(press(&mut top, "k"), None);
    let picture = picture_of(&mut top, 80, 24);
    assert!(
        picture.contains("End worker 10? Its request GET /a"),
        "{picture}"
    );
    assert_eq!(press(&mut top, "q"), None, "no key but y is a yes");
    assert_eq!(top.message, "Worker 10 was not ended.");
    assert_eq!(press(&mut top, "ky"), Some(TopAction::End(10)));
    press(&mut top, "k");
    let mut later = seventeen();
    later.workers[9].pid = 7;
    top.take(later);
    assert_eq!(press(&mut top, "y"), None, "another process has its number");
    assert!(top.message.contains("another process"), "{}", top.message);
    // From its details too, and not without one.
    assert_eq!(press(&mut top, "\nky"), Some(TopAction::End(10)));
    assert_eq!(press(&mut top, "5k"), None);
    assert!(top.message.contains("No worker"), "{}", top.message);
}

#[test]
fn details_are_whole_and_change_with_the_worker() {
    let mut report = seventeen();
    let mut top = Top::new(report.clone());
    press(&mut top, "n\n");
    let picture = picture_of(&mut top, 120, 40);
    for text in [
        "Worker 1 ",
        "busy, pid 4194304, 19 requests finished",
        "started 1 min 30 s ago",
        "memory 7M (PSS)   CPU 50 %, 1.2 s in all   descriptors 12   threads 1",
        "that have ended: 2 crash",
        "xx/1",
        "after 2 s in the queue, id secret-id",
        "09:00:00 GET /users/secret 200, 2.5 s",
    ] {
        assert!(picture.contains(text), "{text}:\n{picture}");
    }
    report.workers.remove(0);
    top.take(report);
    assert!(picture_of(&mut top, 80, 24).contains("There is no worker 1 any more."));
    assert_eq!(press(&mut top, "s"), Some(TopAction::Stacks(1)));
    top.key(TypedKey::Escape);
    for (keys, text) in [
        ("3\n", "queue 1.0 s, application 1.5 s"),
        ("q4\n", "at src/secret.py:3 in boom"),
        ("q5\n", "A secret event."),
        ("q?", "k                  end the worker"),
    ] {
        press(&mut top, keys);
        let picture = picture_of(&mut top, 80, 24);
        assert!(picture.contains(text), "{text}:\n{picture}");
    }
    top.key(TypedKey::End);
    let picture = picture_of(&mut top, 80, 12);
    assert!(picture.contains("ended    ends of"), "{picture}");
    top.key(TypedKey::Up);
    assert!(!picture_of(&mut top, 80, 12).contains("ended    ends of"));
}

#[test]
fn a_launcher_that_does_not_answer_is_told() {
    let mut top = Top::new(seventeen());
    top.silence = Some((12, "cannot connect to control.sock".to_owned()));
    let picture = picture_of(&mut top, 80, 24);
    let first = "rum: no answer for 12 s: cannot connect to control.sock";
    assert!(picture.starts_with(first), "{picture}");
    top.take(seventeen());
    assert!(!picture_of(&mut top, 80, 24).contains("no answer"));
}

#[test]
fn keys_that_end_and_move_work_everywhere() {
    let mut top = Top::new(seventeen());
    for keys in ["", "/", "?", "\n", "k"] {
        top.mode = Mode::Browse;
        press(&mut top, keys);
        assert_eq!(
            top.key(TypedKey::Ctrl('c')),
            Some(TopAction::Quit),
            "{keys}"
        );
        assert_eq!(
            top.key(TypedKey::Ctrl('z')),
            Some(TopAction::Stop),
            "{keys}"
        );
        assert_eq!(
            top.key(TypedKey::Ctrl('l')),
            Some(TopAction::Redraw),
            "{keys}"
        );
    }
    top.mode = Mode::Browse;
    assert_eq!(press(&mut top, "q"), Some(TopAction::Quit));
    top.key(TypedKey::BackTab);
    assert_eq!(top.view, View::Events);
    top.key(TypedKey::Tab);
    assert_eq!(top.view, View::Workers);
}
