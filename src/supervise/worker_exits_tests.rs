//! Each end is counted once, with its cause.

use super::WorkerEvent::{Died, Left, Respawned, Spawned, TimedOut, TooLarge};
use super::*;

fn at(seconds: u64) -> Uptime {
    Uptime(Duration::from_secs(seconds))
}

/// Two workers with the processes 11 and 12.
fn two() -> WorkerExits {
    let mut exits = WorkerExits::default();
    tell(
        &mut exits,
        &[(1, 11), (2, 12)].map(|(worker, pid)| Spawned { worker, pid }),
    );
    exits
}

fn tell(exits: &mut WorkerExits, events: &[WorkerEvent]) {
    for event in events {
        exits.on_event(*event, at(1), || false);
    }
}

fn died(worker: u32, pid: i32, signal: i32) -> WorkerEvent {
    Died {
        worker,
        pid,
        signal: Some(signal),
    }
}

#[track_caller]
fn check(exits: &WorkerExits, expected: &[(&str, u64)]) {
    let counts = exits.counts();
    assert_eq!(counts.len(), ExitCause::ALL.len());
    let some: Vec<(&str, u64)> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| (cause.as_str(), *count))
        .collect();
    assert_eq!(some, expected);
}

#[test]
fn a_signal_is_a_crash_and_so_is_an_exit_while_it_serves() {
    let mut exits = two();
    let exited = Died {
        worker: 2,
        pid: 12,
        signal: None,
    };
    tell(
        &mut exits,
        &[
            died(1, 11, 11),
            Respawned { worker: 1, pid: 13 },
            exited,
            Respawned { worker: 2, pid: 14 },
            // It dies before any poll has seen it.
            died(1, 13, 9),
            Respawned { worker: 1, pid: 15 },
        ],
    );
    check(&exits, &[("crash", 3)]);
}

#[test]
fn who_leaves_is_recycled_with_a_line_and_without() {
    let mut exits = two();
    tell(
        &mut exits,
        &[
            Left { worker: 1, pid: 11 },
            Respawned { worker: 1, pid: 13 },
            Respawned { worker: 2, pid: 14 },
            TooLarge { pid: 14 },
            died(2, 14, 9),
            Respawned { worker: 2, pid: 15 },
        ],
    );
    check(&exits, &[("recycled", 3)]);
}

#[test]
fn timeouts_and_commands_are_expected() {
    let mut exits = two();
    tell(
        &mut exits,
        &[
            // It ends by itself, without a line.
            TimedOut { pid: 12 },
            Respawned { worker: 2, pid: 13 },
            // It does not, and its own alarm ends it.
            TimedOut { pid: 13 },
            died(2, 13, 14),
            Respawned { worker: 2, pid: 14 },
        ],
    );
    exits.expect(11, ExitCause::Asked, at(1));
    tell(
        &mut exits,
        &[died(1, 11, 9), Respawned { worker: 1, pid: 15 }],
    );
    check(&exits, &[("asked", 1), ("timeout", 2)]);
}

#[test]
fn an_expectation_does_not_last_for_ever() {
    let mut exits = two();
    exits.expect(11, ExitCause::Timeout, at(1));
    exits.on_event(died(1, 11, 11), at(100), || false);
    check(&exits, &[("crash", 1)]);
}

#[test]
fn only_a_kill_that_nobody_expects_may_be_of_the_kernel() {
    let mut exits = two();
    let killed = exits.on_event(died(1, 11, 9), at(1), || true);
    assert_eq!(killed, Some(OutOfMemory { worker: 1, pid: 11 }));
    exits.expect(12, ExitCause::Asked, at(1));
    assert_eq!(exits.on_event(died(2, 12, 9), at(1), || true), None);
    assert_eq!(exits.on_event(died(3, 19, 11), at(1), || true), None);
    check(&exits, &[("asked", 1), ("crash", 1), ("oom", 1)]);
}

#[test]
fn what_the_program_has_not_noticed_is_counted_once() {
    let mut exits = two();
    exits.lost(1, 11, Some(9), false, at(1), || false);
    exits.lost(2, 12, None, true, at(1), || false);
    exits.lost(2, 12, None, true, at(1), || false);
    check(&exits, &[("crash", 1), ("recycled", 1)]);
    // It notices them after all.
    tell(
        &mut exits,
        &[
            died(1, 11, 9),
            Respawned { worker: 1, pid: 13 },
            Respawned { worker: 2, pid: 14 },
        ],
    );
    check(&exits, &[("crash", 1), ("recycled", 1)]);
    // The lines came first, and the poll was older.
    tell(&mut exits, &[died(1, 13, 9)]);
    exits.lost(1, 13, Some(9), false, at(1), || false);
    check(&exits, &[("crash", 2), ("recycled", 1)]);
}

#[test]
fn during_a_reload_two_generations_have_the_same_numbers() {
    let mut exits = two();
    tell(
        &mut exits,
        &[
            Spawned { worker: 1, pid: 21 },
            Spawned { worker: 2, pid: 22 },
            died(1, 11, 11),
            Respawned { worker: 1, pid: 23 },
        ],
    );
    exits.reload(2);
    check(&exits, &[("crash", 1), ("reload", 2)]);
}
