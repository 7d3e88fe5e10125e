//! Reloads.

use super::*;
use crate::supervise::machine::waiting::ReloadWait;

const NEW_APP: ChildId = ChildId(2);
const NEW_PROXY: ChildId = ChildId(3);

/// A service that serves with processes 10 and 20, and is asked to reload.
fn serving_and_asked() -> Machine {
    let mut service = service();
    service.on(Event::Start, at(0));
    service.on(Event::Spawned(APP, pid(10)), at(0));
    service.on(Event::Spawned(PROXY, pid(20)), at(0));
    service.on(Event::Ready(APP, pid(10)), at(100));
    service.on(Event::Ready(PROXY, pid(20)), at(100));
    let begun = reload(&mut service, None, vec![app(), proxy()], 950);
    assert_eq!(begun, [Action::Spawn(NEW_APP), Action::Spawn(NEW_PROXY)]);
    service
}

/// A service that serves with processes 10 and 20, and a new generation 11 and 21 that is starting.
fn reloading() -> Machine {
    let mut service = serving_and_asked();
    service.on(Event::Spawned(NEW_APP, pid(11)), at(1000));
    service.on(Event::Spawned(NEW_PROXY, pid(21)), at(1000));
    service.on(Event::Ready(NEW_PROXY, pid(21)), at(1010));
    assert!(service.is_ready() && service.is_reloading());
    service
}

#[test]
fn the_old_generation_finishes_once_the_new_one_is_ready() {
    let mut service = reloading();
    let ready = deeds(service.on(Event::Ready(NEW_APP, pid(11)), at(1300)));
    assert_eq!(ready, [Action::Retire(APP, pid(10)), Action::Drain(PROXY)]);
    assert!(service.is_ready() && service.is_reloading());
    let drained = deeds(service.on(Event::Timer, at(1800)));
    let done = Action::CommitGeneration;
    assert_eq!(drained, [Action::StopGracefully(PROXY, pid(20)), done]);
    assert!(service.is_ready() && !service.is_reloading());
    let gone = deeds(service.on(Event::Exited(pid(20), Exit::Code(0)), at(1900)));
    assert_eq!(gone, [Action::Forget(PROXY)]);
    let late = deeds(service.on(Event::Timer, at(65_300)));
    assert_eq!(late, [Action::Kill(APP, pid(10))]);
    let gone = deeds(service.on(Event::Exited(pid(10), Exit::Signal(9)), at(65_310)));
    assert_eq!(gone, [Action::Forget(APP)]);
    assert!(service.is_ready());
}

#[test]
fn a_reload_says_for_what_it_waits() {
    let mut service = serving();
    let waits = Machine::reload_waits_for;
    assert_eq!(waits(&service), None);
    service.on(Event::ReloadRequested, at(1000));
    assert_eq!(waits(&service), None);
    service.on(Event::Timer, at(1050));
    assert_eq!(waits(&service), Some(ReloadWait::Making));

    let mut service = reloading();
    let reason = "2 of 4 processes accept requests".to_owned();
    service.on(Event::NotReady(NEW_APP, pid(11), reason.clone()), at(1100));
    let start = ReloadWait::Start(vec![(APP_LABEL, Some(reason))]);
    assert_eq!(waits(&service), Some(start));
    service.on(Event::Ready(NEW_APP, pid(11)), at(1300));
    assert_eq!(waits(&service), Some(ReloadWait::OldConnections));
    service.on(Event::Timer, at(1800));
    let left = |children: &[ChildId]| Some(ReloadWait::OldGeneration(children.to_vec()));
    assert_eq!(waits(&service), left(&[APP, PROXY]));
    service.on(Event::Timer, at(1900));
    service.on(Event::Exited(pid(20), Exit::Code(0)), at(1950));
    assert_eq!(waits(&service), left(&[APP]));
    service.on(Event::Exited(pid(10), Exit::Code(0)), at(2000));
    assert_eq!(waits(&service), None);

    let mut service = reloading();
    service.on(Event::StopRequested, at(1100));
    assert_eq!(waits(&service), None);
}

#[test]
fn a_new_generation_that_fails_leaves_the_old_one_alone() {
    let mut service = reloading();
    let failed = deeds(service.on(Event::Exited(pid(11), Exit::Code(22)), at(1200)));
    let why = Rollback::Exited(APP_LABEL, Exit::Code(22));
    assert!(
        failed.contains(&Action::RollBackGeneration(why)),
        "{failed:?}"
    );
    assert!(failed.contains(&Action::Drain(NEW_PROXY)), "{failed:?}");
    assert!(service.is_ready() && !service.is_reloading());
    service.on(Event::Timer, at(1700));
    service.on(Event::Exited(pid(21), Exit::Code(0)), at(1710));
    assert!(service.is_ready());
}

#[test]
fn a_generation_that_takes_too_long_is_given_up() {
    let mut service = reloading();
    assert_eq!(service.next_deadline(), Some(at(11_000)));
    let late = deeds(service.on(Event::Timer, at(11_000)));
    assert!(
        late.contains(&Action::RollBackGeneration(Rollback::NotReady(
            APP_LABEL, None
        ))),
        "{late:?}"
    );
    assert!(late.contains(&Action::Retire(NEW_APP, pid(11))), "{late:?}");
    assert!(service.is_ready());
}

#[test]
fn a_stop_during_a_reload_ends_both_generations() {
    let mut service = reloading();
    let stop = deeds(service.on(Event::StopRequested, at(1200)));
    assert!(
        stop.contains(&Action::RollBackGeneration(Rollback::Stopping)),
        "{stop:?}"
    );
    service.on(Event::Timer, at(1700));
    for process in [11, 21, 20, 10] {
        service.on(Event::Exited(pid(process), Exit::Code(0)), at(1800));
    }
    assert_eq!(*service.phase(), Phase::Done(Outcome::Stopped));
}

#[test]
fn the_old_generation_is_restarted_when_it_crashes_meanwhile() {
    let mut service = reloading();
    let crash = deeds(service.on(Event::Exited(pid(10), Exit::Signal(9)), at(1100)));
    assert_eq!(crash, [Action::Spawn(APP)]);
    service.on(Event::Spawned(APP, pid(12)), at(1101));
    let ready = deeds(service.on(Event::Ready(NEW_APP, pid(11)), at(1300)));
    assert!(ready.contains(&Action::Kill(APP, pid(12))), "{ready:?}");
}

#[test]
fn a_hung_child_is_killed_and_comes_back() {
    let mut service = reloading();
    assert_eq!(
        deeds(service.on(Event::Hung(APP, pid(10)), at(1100))),
        [Action::Kill(APP, pid(10))]
    );
    assert_eq!(
        deeds(service.on(Event::Exited(pid(10), Exit::Signal(9)), at(1101))),
        [Action::Spawn(APP)]
    );
}

#[test]
fn a_canary_goes_first() {
    let mut service = reloading();
    service.on(Event::Ready(NEW_APP, pid(11)), at(1300));
    service.on(Event::Timer, at(1800));
    service.on(Event::Timer, at(1900));
    let (canary, candidate) = (ChildId(4), ChildId(5));
    let begun = reload(&mut service, Some(app()), vec![app()], 1950);
    assert_eq!(begun, [Action::Spawn(canary)]);
    service.on(Event::Spawned(canary, pid(30)), at(2000));
    let ready = deeds(service.on(Event::Ready(canary, pid(30)), at(2300)));
    assert_eq!(
        ready,
        [Action::Kill(canary, pid(30)), Action::Spawn(candidate)]
    );
    assert_eq!(
        deeds(service.on(Event::Exited(pid(30), Exit::Signal(9)), at(2301))),
        [Action::Forget(canary)]
    );
    service.on(Event::Spawned(candidate, pid(12)), at(2302));
    let done = deeds(service.on(Event::Ready(candidate, pid(12)), at(2600)));
    assert!(done.contains(&Action::CommitGeneration), "{done:?}");
}

#[test]
fn a_canary_that_dies_saves_the_others_the_trouble() {
    let mut service = reloading();
    service.on(Event::Ready(NEW_APP, pid(11)), at(1300));
    service.on(Event::Timer, at(1800));
    service.on(Event::Timer, at(1900));
    let (canary, candidate) = (ChildId(4), ChildId(5));
    reload(&mut service, Some(app()), vec![app()], 1950);
    service.on(Event::Spawned(canary, pid(30)), at(2000));
    let died = deeds(service.on(Event::Exited(pid(30), Exit::Code(22)), at(2200)));
    let why = Rollback::Exited(APP_LABEL, Exit::Code(22));
    assert_eq!(
        died,
        [
            Action::Forget(canary),
            Action::Forget(candidate),
            Action::RollBackGeneration(why)
        ]
    );
    assert!(service.is_ready());
}

#[test]
fn a_candidate_that_may_have_requests_finishes_them() {
    let mut service = reloading();
    // Its workers take requests before all of them are up and the health check answers.
    let late = deeds(service.on(Event::Timer, at(11_000)));
    assert!(late.contains(&Action::Retire(NEW_APP, pid(11))), "{late:?}");
    let killed = deeds(service.on(Event::Timer, at(75_000)));
    assert!(
        killed.contains(&Action::Kill(NEW_APP, pid(11))),
        "{killed:?}"
    );
    let gone = deeds(service.on(Event::Exited(pid(11), Exit::Signal(9)), at(75_010)));
    assert_eq!(gone, [Action::Forget(NEW_APP)]);
}

#[test]
fn a_stop_ends_a_candidate_once_no_proxy_is_left() {
    let mut service = reloading();
    let stop = deeds(service.on(Event::StopRequested, at(2000)));
    assert!(stop.contains(&Action::Retire(NEW_APP, pid(11))), "{stop:?}");
    service.on(Event::Exited(pid(20), Exit::Code(0)), at(2600));
    let gone = deeds(service.on(Event::Exited(pid(21), Exit::Code(0)), at(2610)));
    assert!(gone.contains(&Action::Drain(NEW_APP)), "{gone:?}");
    let finished = deeds(service.on(Event::Drained(NEW_APP, pid(11)), at(2700)));
    assert_eq!(finished, [Action::StopGracefully(NEW_APP, pid(11))]);
}

#[test]
fn a_fast_stop_cuts_a_generation_that_finishes() {
    let mut service = reloading();
    service.on(Event::StopRequested, at(2000));
    let fast = deeds(service.on(Event::StopRequested, at(2500)));
    // Its main process has been asked to finish already, and does not pass on another signal.
    assert!(
        fast.contains(&Action::SignalStragglers(NEW_APP, pid(11))),
        "{fast:?}"
    );
    assert!(fast.contains(&Action::StopFast(APP, pid(10))), "{fast:?}");
}

#[test]
fn a_generation_that_cannot_be_started_leaves_no_process() {
    let mut service = serving_and_asked();
    let failed = deeds(service.on(Event::SpawnFailed(NEW_APP, SpawnFailure::Refused), at(1001)));
    assert!(
        failed.contains(&Action::RollBackGeneration(Rollback::CannotRun(APP_LABEL))),
        "{failed:?}"
    );
    // Its start had been requested already.
    let stray = deeds(service.on(Event::Spawned(NEW_PROXY, pid(21)), at(1001)));
    assert_eq!(stray, [Action::Kill(NEW_PROXY, pid(21))]);
    service.on(Event::Exited(pid(21), Exit::Signal(9)), at(1010));
    assert!(service.is_ready());

    let mut service = serving_and_asked();
    service.on(Event::SpawnFailed(NEW_APP, SpawnFailure::Refused), at(1001));
    service.on(
        Event::SpawnFailed(NEW_PROXY, SpawnFailure::Refused),
        at(1001),
    );
    assert!(service.is_ready(), "the old generation serves on");
}

#[test]
fn survivors_of_a_replaced_proxy_finish_too() {
    let mut service = reloading();
    service.on(Event::Exited(pid(20), Exit::Signal(9)), at(1100));
    service.on(Event::SpawnFailed(PROXY, SpawnFailure::Refused), at(1100));
    let taken_over = deeds(service.on(Event::Ready(NEW_APP, pid(11)), at(1300)));
    let survivors = ChildId(4);
    assert!(
        taken_over.contains(&Action::Drain(survivors)),
        "{taken_over:?}"
    );
    assert!(
        !taken_over.contains(&Action::Forget(PROXY)),
        "its files are in use: {taken_over:?}"
    );
    service.on(Event::Timer, at(1800));
    let gone = deeds(service.on(Event::SurvivorsGone(survivors), at(1900)));
    assert!(
        gone.contains(&Action::Forget(survivors)) && gone.contains(&Action::Forget(PROXY)),
        "{gone:?}"
    );
}

#[test]
fn whoever_waits_for_a_reload_is_answered_before_the_run_ends() {
    let mut service = reloading();
    service.on(Event::ReloadRequested, at(1100));
    service.on(Event::StopRequested, at(1200));
    for process in [21, 20] {
        service.on(Event::Exited(pid(process), Exit::Code(0)), at(1210));
    }
    service.on(Event::Exited(pid(11), Exit::Code(0)), at(1210));
    let done = service.on(Event::Exited(pid(10), Exit::Code(0)), at(1210));
    assert_eq!(*service.phase(), Phase::Done(Outcome::Stopped));
    let result = ReloadResult::RolledBack(Rollback::Stopping);
    assert_eq!(
        done,
        [
            Action::Forget(NEW_APP),
            Action::ReportReload(result),
            Action::RefuseReload(Refusal::Stopping)
        ][1..]
    );
}
