//! The words of the status.

use super::*;

#[track_caller]
fn check<T: Serialize + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug + Copy>(
    value: T,
    text: &str,
    expected: &str,
) {
    assert_eq!(text, expected);
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(json, format!("{expected:?}"));
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
}

#[test]
fn json_and_text_have_the_same_words() {
    for (phase, expected) in [
        (ServicePhase::Starting, "starting"),
        (ServicePhase::Ready, "ready"),
        (ServicePhase::Reloading, "reloading"),
        (ServicePhase::Degraded, "degraded"),
        (ServicePhase::Stopping, "stopping"),
    ] {
        check(phase, phase.as_str(), expected);
    }
    for (role, expected) in [
        (ChildRole::Serving, "serving"),
        (ChildRole::Canary, "canary"),
        (ChildRole::Candidate, "candidate"),
        (ChildRole::Retiring, "retiring"),
        (ChildRole::Survivors, "survivors"),
    ] {
        check(role, role.as_str(), expected);
    }
    for (state, expected) in [
        (ChildPhase::Idle, "idle"),
        (ChildPhase::Starting, "starting"),
        (ChildPhase::Running, "running"),
        (ChildPhase::Draining, "draining"),
        (ChildPhase::Stopping, "stopping"),
        (ChildPhase::Killing, "killing"),
        (ChildPhase::Backoff, "waiting to restart"),
        (ChildPhase::Ended, "ended"),
    ] {
        check(state, state.as_str(), expected);
    }
    for (state, expected) in [
        (WorkerState::Busy, "busy"),
        (WorkerState::Idle, "idle"),
        (WorkerState::Starting, "starting"),
        (WorkerState::Ending, "ending"),
        (WorkerState::Stopped, "stopped"),
        (WorkerState::Dead, "dead"),
    ] {
        check(state, state.as_str(), expected);
    }
}
