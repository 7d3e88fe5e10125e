//! Crashes and survivors.

use super::*;

/// The survivors of the crashed proxy.
const SURVIVORS: ChildId = ChildId(2);

/// Process 20, the proxy, crashes; its survivors are adopted, and its restart is due.
fn crashed() -> Machine {
    let mut service = serving();
    let crash = deeds(service.on(Event::Exited(pid(20), Exit::Signal(9)), at(1000)));
    let adopt = Action::AdoptSurvivors {
        survivors: SURVIVORS,
        of: PROXY,
        group: pid(20),
    };
    assert_eq!(crash, [adopt, Action::Spawn(PROXY)]);
    service
}

#[test]
fn survivors_of_a_crashed_proxy_finish_when_the_new_one_serves() {
    let mut service = crashed();
    service.on(Event::Spawned(PROXY, pid(21)), at(1001));
    let ready = deeds(service.on(Event::Ready(PROXY, pid(21)), at(1010)));
    assert_eq!(ready, [Action::Drain(SURVIVORS)]);
    assert!(service.is_ready());
    let drained = deeds(service.on(Event::Timer, at(1510)));
    assert_eq!(drained, [Action::StopGracefully(SURVIVORS, pid(20))]);
    let gone = deeds(service.on(Event::SurvivorsGone(SURVIVORS), at(1600)));
    assert_eq!(gone, [Action::Forget(SURVIVORS)]);
    assert!(service.is_ready());
}

#[test]
fn a_stop_waits_for_survivors_without_a_successor() {
    let mut service = crashed();
    // The successor has crashed too and is in backoff.
    service.on(Event::Spawned(PROXY, pid(21)), at(1001));
    service.on(Event::Exited(pid(21), Exit::Signal(9)), at(1100));
    let stop = deeds(service.on(Event::StopRequested, at(1200)));
    assert!(stop.contains(&Action::Drain(SURVIVORS)), "{stop:?}");
    let drained = deeds(service.on(Event::Timer, at(1700)));
    assert!(
        drained.contains(&Action::StopGracefully(SURVIVORS, pid(20))),
        "{drained:?}"
    );
    service.on(Event::Exited(pid(21), Exit::Code(0)), at(1750));
    let gone = deeds(service.on(Event::SurvivorsGone(SURVIVORS), at(1800)));
    assert!(
        gone.contains(&Action::Drain(APP)),
        "the application finishes once no proxy is left: {gone:?}"
    );
    service.on(Event::Exited(pid(10), Exit::Code(0)), at(1900));
    assert_eq!(*service.phase(), Phase::Done(Outcome::Stopped));
}

#[test]
fn survivors_that_do_not_finish_are_killed_when_time_is_up() {
    let mut service = crashed();
    service.on(Event::StopRequested, at(1200));
    let up = deeds(service.on(Event::Timer, at(31_300)));
    assert!(up.contains(&Action::Kill(SURVIVORS, pid(20))), "{up:?}");
}

#[test]
fn what_is_started_again_has_a_deadline() {
    let mut service = serving();
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(1000));
    service.on(Event::Spawned(APP, pid(11)), at(1000));
    assert_eq!(service.next_deadline(), Some(at(11_000)));
    assert_eq!(deeds(service.on(Event::Timer, at(10_999))), []);
    let late = deeds(service.on(Event::Timer, at(11_000)));
    assert_eq!(late, [Action::Kill(APP, pid(11))]);
    assert_eq!(service.next_deadline(), None, "it is killed once");
    service.on(Event::Exited(pid(11), Exit::Signal(9)), at(11_010));
    let again = deeds(service.on(Event::Timer, at(12_000)));
    assert_eq!(again, [Action::Spawn(APP)]);
    service.on(Event::Spawned(APP, pid(12)), at(12_000));
    assert_eq!(service.next_deadline(), Some(at(22_000)));
}

#[test]
fn what_ran_before_and_cannot_be_started_is_tried_again() {
    let mut service = serving();
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(1000));
    assert_eq!(
        deeds(service.on(Event::SpawnFailed(APP, SpawnFailure::Refused), at(1000))),
        []
    );
    assert_eq!(*service.phase(), Phase::Serving);
    let again = deeds(service.on(Event::Timer, at(2000)));
    assert_eq!(again, [Action::Spawn(APP)]);
    let mut now = 2000;
    while *service.phase() == Phase::Serving {
        assert!(now < 1_000_000, "it is tried for ever");
        service.on(Event::SpawnFailed(APP, SpawnFailure::Refused), at(now));
        now += 31_000;
        service.on(Event::Timer, at(now));
    }
    let Phase::Stopping { outcome, .. } = service.phase() else {
        panic!("{:?}", service.phase());
    };
    assert_eq!(
        *outcome,
        Outcome::CannotRun(APP_LABEL, SpawnFailure::Refused)
    );
}

#[test]
fn kills_of_the_watchdog_never_end_the_service() {
    let mut service = serving();
    let (mut process, mut killed_at) = (20, Vec::new());
    for second in (0..1300).step_by(21) {
        let now = second * 1000;
        let hung = deeds(service.on(Event::Hung(PROXY, pid(process)), at(now)));
        if !hung.is_empty() {
            assert_eq!(hung, [Action::Kill(PROXY, pid(process))]);
            killed_at.push(second);
            let gone = Event::Exited(pid(process), Exit::Signal(9));
            let again = deeds(service.on(gone, at(now + 1)));
            assert!(again.contains(&Action::Spawn(PROXY)), "{again:?}");
            process += 1;
            service.on(Event::Spawned(PROXY, pid(process)), at(now + 2));
            service.on(Event::Ready(PROXY, pid(process)), at(now + 3));
        }
        assert_eq!(*service.phase(), Phase::Serving, "{second}");
    }
    assert_eq!(killed_at, [0, 21, 42, 609, 630, 651, 1218, 1239, 1260]);
}

#[test]
fn a_damaged_proxy_is_replaced_while_its_workers_finish_and_that_is_no_crash() {
    let mut service = serving();
    let (mut process, mut replaced_at) = (20, Vec::new());
    for second in (0..700).step_by(10) {
        let now = second * 1000;
        let damaged = deeds(service.on(Event::Damaged(PROXY, pid(process)), at(now)));
        if !damaged.is_empty() {
            assert_eq!(damaged, [Action::KillMain(PROXY, pid(process))]);
            replaced_at.push(second);
            // It is found again before it has ended.
            assert_eq!(
                deeds(service.on(Event::Damaged(PROXY, pid(process)), at(now))),
                []
            );
            let gone = Event::Exited(pid(process), Exit::Signal(9));
            let gone = deeds(service.on(gone, at(now + 1)));
            let is_adopted =
                |action: &Action| matches!(action, Action::AdoptSurvivors { of: PROXY, .. });
            assert!(
                gone.iter().any(is_adopted) && gone.contains(&Action::Spawn(PROXY)),
                "{gone:?}"
            );
            process += 1;
            service.on(Event::Spawned(PROXY, pid(process)), at(now + 2));
            service.on(Event::Ready(PROXY, pid(process)), at(now + 3));
        }
        assert!(service.is_ready());
    }
    assert_eq!(replaced_at, [0, 10, 20, 610, 620, 630]);
    // The application has no processes that could finish.
    assert_eq!(
        deeds(service.on(Event::Damaged(APP, pid(10)), at(701_000))),
        []
    );
}
