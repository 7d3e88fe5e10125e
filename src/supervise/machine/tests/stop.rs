//! Start and stop of the service.

use super::*;

#[test]
fn stops_the_proxy_first_and_the_application_after() {
    let mut service = serving();
    assert_eq!(
        deeds(service.on(Event::StopRequested, at(1000))),
        [Action::Drain(PROXY)]
    );
    assert_eq!(service.next_deadline(), Some(at(1500)));
    assert_eq!(
        deeds(service.on(Event::Timer, at(1500))),
        [Action::StopGracefully(PROXY, pid(20))]
    );
    let exited = deeds(service.on(Event::Exited(pid(20), Exit::Code(0)), at(3000)));
    assert_eq!(exited, [Action::Drain(APP)]);
    // What it does for clients that have left takes its time.
    assert_eq!(deeds(service.on(Event::Timer, at(9000))), []);
    let finished = deeds(service.on(Event::Drained(APP, pid(10)), at(9500)));
    assert_eq!(finished, [Action::StopGracefully(APP, pid(10))]);
    let repeated = deeds(service.on(Event::Timer, at(9600)));
    assert_eq!(repeated, [Action::StopGracefully(APP, pid(10))]);
    service.on(Event::Exited(pid(10), Exit::Code(0)), at(9650));
    assert_eq!(*service.phase(), Phase::Done(Outcome::Stopped));
}

/// A service whose proxy has stopped, and whose application finishes what it has begun.
fn finishing() -> Machine {
    let mut service = serving();
    service.on(Event::StopRequested, at(1000));
    service.on(Event::Timer, at(1500));
    service.on(Event::Exited(pid(20), Exit::Code(0)), at(2000));
    service
}

#[test]
fn an_application_that_ends_when_it_has_finished_has_stopped() {
    let mut service = finishing();
    let child = service.child(APP).unwrap();
    assert!(child.ends_as_asked(Exit::Code(0)));
    assert!(!child.ends_as_asked(Exit::Signal(9)));
    service.on(Event::Exited(pid(10), Exit::Code(0)), at(2500));
    assert_eq!(*service.phase(), Phase::Done(Outcome::Stopped));
    assert_eq!(service.on(Event::Drained(APP, pid(10)), at(2510)), []);
}

#[test]
fn a_second_request_cuts_what_the_application_finishes() {
    let mut service = finishing();
    let fast = deeds(service.on(Event::StopRequested, at(3000)));
    assert_eq!(fast, [Action::SignalStragglers(APP, pid(10))]);
    let repeated = deeds(service.on(Event::Timer, at(3100)));
    assert_eq!(repeated, [Action::StopGracefully(APP, pid(10))]);
}

#[test]
fn second_request_cuts_and_third_kills() {
    let mut service = serving();
    service.on(Event::StopRequested, at(1000));
    let fast = deeds(service.on(Event::StopRequested, at(1300)));
    assert_eq!(
        fast,
        [
            Action::StopFast(APP, pid(10)),
            Action::StopFast(PROXY, pid(20))
        ]
    );
    let kill = deeds(service.on(Event::StopRequested, at(1600)));
    assert_eq!(
        kill,
        [Action::Kill(APP, pid(10)), Action::Kill(PROXY, pid(20))]
    );
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(1700));
    service.on(Event::Exited(pid(20), Exit::Signal(9)), at(1700));
    assert_eq!(*service.phase(), Phase::Done(Outcome::Forced));
}

#[test]
fn what_does_not_stop_in_time_is_killed() {
    let mut service = finishing();
    let deadline = deeds(service.on(Event::Timer, at(31_000)));
    assert!(
        deadline.contains(&Action::Kill(APP, pid(10))),
        "{deadline:?}"
    );
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(31_010));
    assert_eq!(
        *service.phase(),
        Phase::Done(Outcome::StopTimedOut(APP_LABEL))
    );
}

#[test]
fn a_crash_restarts_at_once_and_then_slower() {
    let mut service = serving();
    let first = deeds(service.on(Event::Exited(pid(10), Exit::Signal(9)), at(1000)));
    assert_eq!(first, [Action::Spawn(APP)]);
    assert!(!service.is_ready());
    service.on(Event::Spawned(APP, pid(11)), at(1001));
    service.on(Event::Ready(APP, pid(11)), at(1300));
    assert!(service.is_ready());
    assert_eq!(
        deeds(service.on(Event::Exited(pid(11), Exit::Code(1)), at(1400))),
        []
    );
    let due = service.next_deadline().unwrap();
    assert!(due >= at(1850) && due <= at(1950), "{due:?}");
    assert_eq!(deeds(service.on(Event::Timer, due)), [Action::Spawn(APP)]);
    assert_eq!(service.child(APP).unwrap().restarts(), 2);
}

#[test]
fn a_spent_budget_stops_everything_with_the_child_s_code() {
    let mut service = serving();
    let mut now = 1000;
    let mut process = 10;
    while matches!(service.phase(), Phase::Serving) {
        service.on(Event::Exited(pid(process), Exit::Signal(11)), at(now));
        now += 31_000;
        if service
            .on(Event::Timer, at(now))
            .contains(&Action::Spawn(APP))
            || service.child(APP).unwrap().state() == ChildState::Idle
        {
            process += 1;
            service.on(Event::Spawned(APP, pid(process)), at(now));
        }
        assert!(process < 25, "the budget is never spent");
    }
    let Phase::Stopping { outcome, .. } = service.phase() else {
        panic!("{:?}", service.phase());
    };
    assert_eq!(
        *outcome,
        Outcome::CrashedTooOften(APP_LABEL, Exit::Signal(11))
    );
}

#[test]
fn an_application_that_cannot_start_ends_the_run() {
    let mut service = service();
    service.on(Event::Start, at(0));
    service.on(Event::Spawned(APP, pid(10)), at(1));
    service.on(Event::Spawned(PROXY, pid(20)), at(1));
    service.on(Event::Ready(PROXY, pid(20)), at(10));
    let exited = deeds(service.on(Event::Exited(pid(10), Exit::Code(22)), at(200)));
    assert_eq!(exited, [Action::CloseSockets(APP), Action::Drain(PROXY)]);
    service.on(Event::Timer, at(700));
    service.on(Event::Exited(pid(20), Exit::Code(0)), at(710));
    assert_eq!(
        *service.phase(),
        Phase::Done(Outcome::FailedToStart(APP_LABEL, Exit::Code(22)))
    );
}

#[test]
fn a_start_that_takes_too_long_ends() {
    let mut service = service();
    service.on(Event::Start, at(0));
    service.on(Event::Spawned(APP, pid(10)), at(1));
    service.on(Event::Spawned(PROXY, pid(20)), at(1));
    service.on(Event::Ready(PROXY, pid(20)), at(10));
    assert_eq!(service.next_deadline(), Some(at(10_000)));
    let late = deeds(service.on(Event::Timer, at(10_000)));
    assert_eq!(
        late,
        [
            Action::Kill(APP, pid(10)),
            Action::CloseSockets(APP),
            Action::Drain(PROXY)
        ]
    );
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(10_001));
    service.on(Event::Timer, at(10_500));
    service.on(Event::Exited(pid(20), Exit::Code(0)), at(10_600));
    assert_eq!(
        *service.phase(),
        Phase::Done(Outcome::NotReady(APP_LABEL, None))
    );
}

#[test]
fn stop_during_the_start_kills_what_does_not_listen_yet() {
    let mut service = service();
    service.on(Event::Start, at(0));
    service.on(Event::Spawned(APP, pid(10)), at(1));
    service.on(Event::Spawned(PROXY, pid(20)), at(1));
    let stop = deeds(service.on(Event::StopRequested, at(50)));
    let proxy = Action::StopGracefully(PROXY, pid(20));
    assert_eq!(
        stop,
        [Action::Kill(APP, pid(10)), Action::CloseSockets(APP), proxy]
    );
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(60));
    service.on(Event::Exited(pid(20), Exit::Code(0)), at(70));
    assert_eq!(*service.phase(), Phase::Done(Outcome::Stopped));
}

#[test]
fn an_application_that_crashes_while_the_proxy_drains_comes_back() {
    let mut service = serving();
    service.on(Event::StopRequested, at(1000));
    let crash = deeds(service.on(Event::Exited(pid(10), Exit::Signal(9)), at(1100)));
    assert_eq!(crash, [Action::Spawn(APP)]);
    service.on(Event::Spawned(APP, pid(11)), at(1101));
    service.on(Event::Ready(APP, pid(11)), at(1400));
    service.on(Event::Timer, at(1500));
    let exited = deeds(service.on(Event::Exited(pid(20), Exit::Code(0)), at(1600)));
    assert_eq!(exited, [Action::Drain(APP)]);
}

#[test]
fn a_late_answer_of_a_dead_process_is_not_readiness() {
    let mut service = serving();
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(1000));
    service.on(Event::Spawned(APP, pid(11)), at(1001));
    service.on(Event::Ready(APP, pid(10)), at(1002));
    assert!(!service.is_ready());
}

#[test]
fn a_program_that_cannot_be_run_ends_the_run() {
    let mut service = service();
    service.on(Event::Start, at(0));
    service.on(Event::SpawnFailed(APP, SpawnFailure::NotFound), at(1));
    service.on(Event::Spawned(PROXY, pid(20)), at(1));
    service.on(Event::Exited(pid(20), Exit::Code(0)), at(20));
    assert_eq!(
        *service.phase(),
        Phase::Done(Outcome::CannotRun(APP_LABEL, SpawnFailure::NotFound))
    );
}

#[test]
fn signals_to_the_process_and_its_group_are_one_request() {
    let mut service = serving();
    service.on(Event::StopRequested, at(1000));
    assert_eq!(service.on(Event::StopRequested, at(1001)), []);
    assert_eq!(service.on(Event::StopRequested, at(1049)), []);
    let fast = deeds(service.on(Event::StopRequested, at(1051)));
    assert_eq!(fast.len(), 2);
}

#[test]
fn workers_that_miss_their_stop_signal_get_one_and_are_killed_after_five_seconds() {
    let mut service = finishing();
    service.on(Event::Drained(APP, pid(10)), at(2000));
    let mut helped = Vec::new();
    for n in 1..70 {
        for deed in deeds(service.on(Event::Timer, at(2000 + n * 100))) {
            if deed == Action::SignalStragglers(APP, pid(10)) {
                helped.push((n + 1, "signal"));
            } else if deed == Action::KillStragglers(APP, pid(10)) {
                helped.push((n + 1, "kill"));
            }
        }
    }
    let signalled = [10, 20, 30, 40].map(|n| (n, "signal"));
    assert_eq!(helped[..4], signalled);
    assert_eq!(helped[4..], [(50, "kill"), (60, "kill"), (70, "kill")]);
    // Who was killed is known outside.
    service.on(Event::StragglersKilled(APP), at(9100));
    service.on(Event::Exited(pid(10), Exit::Code(0)), at(9200));
    assert_eq!(
        *service.phase(),
        Phase::Done(Outcome::StragglersKilled(APP_LABEL))
    );
}

#[test]
fn a_fast_stop_does_not_wait_for_a_child_that_waits_for_its_restart() {
    let mut service = serving();
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(900));
    service.on(Event::Spawned(APP, pid(11)), at(900));
    service.on(Event::Exited(pid(11), Exit::Signal(9)), at(950));
    assert!(matches!(
        service.child(APP).unwrap().state(),
        ChildState::Backoff { .. }
    ));
    service.on(Event::StopRequested, at(1000));
    service.on(Event::StopRequested, at(1100));
    service.on(Event::Exited(pid(20), Exit::Code(0)), at(1110));
    assert!(matches!(service.phase(), Phase::Done(_)), "{service:?}");
}
