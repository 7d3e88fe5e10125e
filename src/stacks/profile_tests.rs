//! Profiles of a service whose requests wait for a database, and of hostile answers.

use super::super::answer::SampledStack;
use super::*;

const FLASK: &str = "/usr/lib/python3/dist-packages/flask/app.py";

fn frame(function: &str, file: &str, line: i32) -> StackFrame {
    StackFrame {
        function: function.to_owned(),
        file: file.to_owned(),
        line,
    }
}

/// The frames that Flask puts around a view.
fn within_flask(inner: &[StackFrame]) -> Vec<StackFrame> {
    let mut frames = inner.to_vec();
    frames.push(frame("Flask.dispatch_request", FLASK, 880));
    frames.push(frame("Flask.wsgi_app", FLASK, 2190));
    frames
}

fn slice(stacks: &[(Vec<StackFrame>, u64, u64)]) -> ProfileSlice {
    let mut slice = ProfileSlice {
        seconds: 5.0,
        samples: stacks.len() as u64,
        workers: vec![1, 2],
        ..ProfileSlice::default()
    };
    for (frames, micros, on_cpu_micros) in stacks {
        let first = u32::try_from(slice.frames.len()).unwrap();
        slice.frames.extend(frames.iter().cloned());
        slice.stacks.push(SampledStack {
            frames: (first..first + u32::try_from(frames.len()).unwrap()).collect(),
            micros: *micros,
            on_cpu_micros: *on_cpu_micros,
        });
    }
    slice
}

fn database() -> ProfileSlice {
    let execute = frame(
        "Cursor.execute",
        "/venv/lib/python3.11/site-packages/db/cursor.py",
        70,
    );
    let report = frame("report", "/srv/src/main.py", 12);
    let drink = frame("drink", "/srv/src/main.py", 20);
    let slow = within_flask(&[execute, report]);
    let fast = within_flask(&[drink]);
    let hook = vec![
        frame("load_user", "/srv/src/users.py", 5),
        frame("Flask.preprocess_request", FLASK, 1800),
    ];
    slice(&[
        (slow, 3_000_000, 0),
        (fast, 750_000, 750_000),
        (hook, 250_000, 0),
    ])
}

#[test]
fn the_summary_says_which_route_which_line_and_what() {
    let mut profile = StackProfile::default();
    profile.add(database());
    profile.add(database());
    profile.name = "rum".to_owned();
    let text = profile.summary();
    for line in [
        "rum: 10 s of 2 workers, 8.0 s of requests, 6 samples (0.8 requests at a time)\n",
        "  75 %    0 %  report (/srv/src/main.py)\n",
        "  19 %  100 %  drink (/srv/src/main.py)\n",
        "   6 %    0 %  outside of views\n",
        "  75 %    0 %  report (/srv/src/main.py:12)\n",
        "  75 %    0 %  Cursor.execute (/venv/lib/python3…1/site-packages/db/cursor.py:70)\n",
    ] {
        assert!(text.contains(line), "{line}\n---\n{text}");
    }
}

#[test]
fn rows_that_say_nothing_are_summed_up() {
    let many = |number: u32| {
        let name = format!("f{number}");
        let time = if number == 0 { 100_000 } else { 100 };
        (vec![frame(&name, "/srv/src/main.py", 1)], time, 0)
    };
    let stacks: Vec<_> = (0..40).map(many).collect();
    let mut profile = StackProfile::default();
    profile.add(slice(&stacks));
    let text = profile.summary();
    assert!(
        text.contains("  96 %    0 %  f0 (/srv/src/main.py:1)\n   4 %         39 others\n"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 90),
        "{text}"
    );
}

#[test]
fn the_view_is_found_behind_decorators_and_classes() {
    let of = |inner: &[StackFrame]| view_of(&within_flask(inner));
    let view = frame("create_app.<locals>.index", "/srv/src/factory.py", 30);
    let login = frame(
        "login_required.<locals>.decorated_view",
        "/venv/lib/python3.12/site-packages/flask_login/utils.py",
        290,
    );
    let own = frame("admin_only.<locals>.wrapper", "/srv/src/rights.py", 8);
    let helper = frame("helper", "/srv/src/factory.py", 2);
    let expected = "create_app.<locals>.index (/srv/src/factory.py)";
    assert_eq!(of(&[helper, view.clone(), own.clone(), login]), expected);
    // A wrapper that runs alone, before it calls the view.
    assert_eq!(
        of(std::slice::from_ref(&own)),
        "admin_only.<locals>.wrapper (/srv/src/rights.py)"
    );
    let get = frame("Users.get", "/srv/src/users.py", 5);
    let class = [
        get,
        frame(
            "MethodView.dispatch_request",
            "/x/dist-packages/flask/views.py",
            180,
        ),
    ];
    assert_eq!(of(&class), "Users.get (/srv/src/users.py)");
    // Before Python 3.11 there are no qualified names; a view of a library is one, too.
    let old = [
        frame("send_static_file", "/x/dist-packages/flask/app.py", 3),
        frame("dispatch_request", FLASK, 1),
    ];
    assert_eq!(
        view_of(&old),
        "send_static_file (/x/dist-packages/flask/app.py)"
    );
    assert_eq!(of(&[]), NO_VIEW);
}

#[test]
fn a_flame_graph_begins_with_the_outermost_call() {
    let mut profile = StackProfile::default();
    let odd = frame("f;g", "/srv/src/a;b.py", 1);
    let again = frame("f;g", "/srv/src/a;b.py", 2);
    let outer = frame("view", "main.py", 1);
    let short = frame("short", "main.py", 1);
    profile.add(slice(&[
        (vec![odd, outer.clone()], 2500, 0),
        (vec![again, outer], 1500, 0),
        (vec![short], 0, 0),
    ]));
    assert_eq!(profile.folded(), ["view (main.py);f:g (src/a:b.py) 4"]);
}

#[test]
fn answers_that_make_no_sense_do_no_harm() {
    let mut profile = StackProfile::default();
    let mut wrong = database();
    wrong.seconds = -1e300;
    wrong.left_out_micros = u64::MAX;
    for stack in &mut wrong.stacks {
        (stack.micros, stack.on_cpu_micros) = (u64::MAX, u64::MAX);
        stack.frames.push(u32::MAX);
    }
    profile.add(wrong.clone());
    profile.add(wrong);
    assert!(!profile.summary().is_empty());
    let mut nothing = StackProfile::default();
    nothing.add(ProfileSlice {
        unread: vec![UnreadWorker {
            id: 3,
            pid: 9,
            why: "refused".to_owned(),
        }],
        ..ProfileSlice::default()
    });
    assert_eq!(nothing.folded(), ["(no request was seen) 1"]);
    let text = nothing.summary();
    assert!(text.contains("no request was seen"), "{text}");
    assert!(
        text.contains("worker 3 (pid 9) could not be looked into: refused\n"),
        "{text}"
    );
}
