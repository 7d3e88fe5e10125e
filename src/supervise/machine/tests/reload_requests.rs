//! Requests for a reload, and what a new generation brings beside its children.

use super::*;

#[test]
fn requests_that_come_together_are_one_reload_and_later_ones_are_the_next() {
    let mut service = serving();
    let request = |service: &mut Machine, now| service.on(Event::ReloadRequested, at(now));
    assert_eq!(request(&mut service, 1000), [Action::JoinReload]);
    assert_eq!(request(&mut service, 1049), [Action::JoinReload]);
    assert_eq!(
        service.on(Event::Timer, at(1050)),
        [Action::PrepareGeneration(2)]
    );
    assert_eq!(request(&mut service, 1060), [Action::QueueReload]);
    let why = NotMade {
        invalid: true,
        text: "wrong".to_owned(),
    };
    service.on(Event::GenerationNotMade(why.clone()), at(1100));
    let result = ReloadResult::Refused(Refusal::NotMade(why));
    assert_eq!(
        service.on(Event::Timer, at(1100)),
        [Action::ReportReload(result), Action::JoinReload]
    );
    assert_eq!(
        service.on(Event::Timer, at(1150)),
        [Action::PrepareGeneration(3)]
    );
}

#[test]
fn a_reload_is_refused_before_and_after_the_service_serves() {
    let mut service = service();
    assert_eq!(
        service.on(Event::ReloadRequested, at(0)),
        [Action::RefuseReload(Refusal::Starting)]
    );
    let mut service = serving();
    service.on(Event::StopRequested, at(1000));
    assert_eq!(
        service.on(Event::ReloadRequested, at(1001)),
        [Action::RefuseReload(Refusal::Stopping)]
    );
}

#[test]
fn a_generation_that_comes_after_the_stop_is_thrown_away() {
    let mut service = serving();
    service.on(Event::ReloadRequested, at(1000));
    service.on(Event::Timer, at(1050));
    service.on(Event::StopRequested, at(1060));
    let (canary, candidate) = (service.new_id(), service.new_id());
    let generation = NewGeneration {
        canary: Some((canary, app())),
        children: vec![(candidate, app())],
        start_timeout: START_TIMEOUT,
        stop_timeout: STOP_TIMEOUT,
    };
    let late = deeds(service.on(Event::GenerationPrepared(generation), at(1100)));
    assert_eq!(
        late,
        [
            Action::Forget(canary),
            Action::Forget(candidate),
            Action::DiscardGeneration
        ]
    );
    let told = service.on(Event::Timer, at(1100));
    let result = ReloadResult::Refused(Refusal::Abandoned);
    assert!(told.contains(&Action::ReportReload(result)), "{told:?}");
}

/// Asks for a generation with other timeouts than those of the first one.
fn reload_with_timeouts(service: &mut Machine, now: u64) -> ChildId {
    service.on(Event::ReloadRequested, at(now));
    service.on(Event::Timer, at(now + 50));
    let id = service.new_id();
    let generation = NewGeneration {
        canary: None,
        children: vec![(id, app())],
        start_timeout: Duration::from_secs(3),
        stop_timeout: Duration::from_secs(4),
    };
    service.on(Event::GenerationPrepared(generation), at(now + 50));
    id
}

#[test]
fn timeouts_of_a_new_generation_are_valid_once_it_serves() {
    let mut service = serving();
    let id = reload_with_timeouts(&mut service, 1000);
    service.on(Event::Spawned(id, pid(11)), at(1050));
    assert_eq!(service.stop_timeout(), STOP_TIMEOUT);
    service.on(Event::Ready(id, pid(11)), at(1100));
    assert_eq!(service.stop_timeout(), Duration::from_secs(4));
    service.on(Event::Timer, at(1200));
    service.on(Event::Exited(pid(10), Exit::Code(0)), at(1200));
    // It crashes and has its own time to become ready again.
    service.on(Event::Exited(pid(11), Exit::Signal(9)), at(1300));
    service.on(Event::Spawned(id, pid(12)), at(1300));
    assert_eq!(service.next_deadline(), Some(at(4300)));
}

#[test]
fn timeouts_of_a_generation_that_failed_are_not_kept() {
    let mut service = serving();
    let id = reload_with_timeouts(&mut service, 1000);
    service.on(Event::Spawned(id, pid(11)), at(1050));
    service.on(Event::Exited(pid(11), Exit::Code(22)), at(1100));
    service.on(Event::Timer, at(2000));
    service.on(Event::Exited(pid(10), Exit::Signal(9)), at(3000));
    service.on(Event::Spawned(APP, pid(12)), at(3000));
    assert_eq!(service.next_deadline(), Some(at(13_000)));
    assert_eq!(service.stop_timeout(), STOP_TIMEOUT);
}
