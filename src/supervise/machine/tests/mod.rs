//! Tests of the machine with lists of events. No processes, no clock.

mod crash;
mod endurance;
mod reload;
mod reload_requests;
mod stop;

use nix::unistd::Pid;

use super::action::Notice;
use super::child::{StopPolicy, StragglerPolicy, SurvivorPolicy};
use super::event::NewGeneration;
use super::identity::ChildLabel;
use super::outcome::{NotMade, Outcome, Refusal, ReloadResult, Rollback};
use super::*;
use crate::sys::process::SpawnFailure;
use crate::sys::reap::Exit;

const APP: ChildId = ChildId(0);
const PROXY: ChildId = ChildId(1);

const APP_LABEL: ChildLabel = ChildLabel {
    name: "app",
    role: Role::Application,
};
const PROXY_LABEL: ChildLabel = ChildLabel {
    name: "proxy",
    role: Role::Proxy,
};

fn pid(number: i32) -> Pid {
    Pid::from_raw(number)
}

fn at(milliseconds: u64) -> Uptime {
    Uptime(Duration::from_millis(milliseconds))
}

/// An application that is stopped like uWSGI.
fn app() -> ChildSpec {
    ChildSpec {
        label: APP_LABEL,
        stop: StopPolicy {
            drain: Some(STOP_TIMEOUT),
            repeat: Some(Duration::from_millis(100)),
            stragglers: Some(StragglerPolicy {
                every: 10,
                kill_from: 50,
            }),
            retires_on_request: true,
            retire_timeout: Some(Duration::from_secs(64)),
            stoppable_while_starting: false,
        },
        survivors: SurvivorPolicy::Kill,
    }
}

/// A proxy that is stopped like nginx.
fn proxy() -> ChildSpec {
    ChildSpec {
        label: PROXY_LABEL,
        stop: StopPolicy {
            drain: Some(Duration::from_millis(500)),
            repeat: None,
            stragglers: None,
            retires_on_request: false,
            retire_timeout: None,
            stoppable_while_starting: true,
        },
        survivors: SurvivorPolicy::Finish,
    }
}

const START_TIMEOUT: Duration = Duration::from_secs(10);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

fn service() -> Machine {
    let mut service = Machine::new(1, START_TIMEOUT, STOP_TIMEOUT, 7);
    assert_eq!(service.add(app()), APP);
    assert_eq!(service.add(proxy()), PROXY);
    service
}

/// A service that serves: processes 10 and 20.
fn serving() -> Machine {
    let mut service = service();
    let start = service.on(Event::Start, at(0));
    assert_eq!(start, [Action::Spawn(APP), Action::Spawn(PROXY)]);
    service.on(Event::Spawned(APP, pid(10)), at(1));
    service.on(Event::Spawned(PROXY, pid(20)), at(1));
    service.on(Event::Ready(PROXY, pid(20)), at(10));
    assert!(!service.is_ready());
    let ready = service.on(Event::Ready(APP, pid(10)), at(300));
    assert!(ready.contains(&Action::Announce(Notice::ServiceReady(
        Duration::from_millis(300)
    ))));
    assert!(service.is_ready());
    service
}

/// The actions without those that only report something.
fn deeds(actions: Vec<Action>) -> Vec<Action> {
    let reports = |action: &Action| {
        matches!(
            action,
            Action::Announce(_)
                | Action::JoinReload
                | Action::QueueReload
                | Action::RefuseReload(_)
                | Action::ReportReload(_)
        )
    };
    actions
        .into_iter()
        .filter(|action| !reports(action))
        .collect()
}

/// Requests a reload, and provides its generation without delay; returns the last actions.
fn reload(
    service: &mut Machine,
    canary: Option<ChildSpec>,
    children: Vec<ChildSpec>,
    now: u64,
) -> Vec<Action> {
    let requested = service.on(Event::ReloadRequested, at(now));
    assert_eq!(requested, [Action::JoinReload]);
    let due = deeds(service.on(Event::Timer, at(now + 50)));
    assert!(
        matches!(due.as_slice(), [Action::PrepareGeneration(_)]),
        "{due:?}"
    );
    let mut with_id = |spec| (service.new_id(), spec);
    let generation = NewGeneration {
        canary: canary.map(&mut with_id),
        children: children.into_iter().map(&mut with_id).collect(),
        start_timeout: START_TIMEOUT,
        stop_timeout: STOP_TIMEOUT,
    };
    deeds(service.on(Event::GenerationPrepared(generation), at(now + 50)))
}
