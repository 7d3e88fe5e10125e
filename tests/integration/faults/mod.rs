//! One table of faults: each is injected once into a service under load, and the table defines the allowed effect on the
//! load.
//!
//! `FAULT=reload cargo test faults` runs the rows whose name contains the word, `FAULT_RIGHTS=hardened` runs them with
//! other rights ([`Rights`]); without it, all rows run with the rights of the tests and some with the fewest. Reading order: [`table`] has the rows, the
//! other modules implement the faults.

mod clients;
mod crash;
mod ends;
mod flood;
mod hang;
mod reload;
mod table;

use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::{Clients, Load, Outcome};
use crate::running::Running;
use crate::service::Service;
use crate::surroundings::Rights;

/// Clients of the load.
const CLIENTS: usize = 8;
/// Default number of slots.
const SLOTS: usize = 4;
/// Number of requests before the fault, so that the service is under load, and after it.
const CALM: usize = 200;
/// A row that was only too slow is run again, at most this many times in all, because the machine may have been loaded. A
/// service that is too slow is so each time. A row with a failed request is not repeated.
const TRIES: usize = 3;
/// The longest time of a request during a crash, in addition to the import of the application.
const CRASH: Duration = Duration::from_secs(2);

/// A row of the table.
struct Fault {
    name: &'static str,
    service: fn() -> Service,
    launcher: fn(Launcher) -> Launcher,
    begin: Begin,
    /// The path that the load requests.
    path: &'static str,
    /// Injects the fault, waits until it is over, and makes the assertions that are specific to it.
    inject: fn(&mut Scene),
    failed: Failed,
    longest: Longest,
    after: After,
}

/// Which requests of the load may fail.
#[derive(Clone, Copy, Debug)]
enum Failed {
    None,
    /// Requests that are hit by the fault itself, at most this many.
    Hit(usize),
    /// Only refused connections, after the stop.
    OnlyRefused,
    /// All, because the service is killed; only the remaining processes are checked.
    Any,
}

/// How long a request of the load may take.
#[derive(Clone, Copy, Debug)]
enum Longest {
    /// [`CRASH`] and the time of a start.
    Crash,
    AtMost(Duration),
    /// This multiple of the p99 before the fault.
    CalmP99Times(u32),
    Any,
}

/// The phase of the start at which the fault is injected.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Begin {
    /// Ready and under load.
    Ready,
    /// The application is being imported.
    Importing,
}

/// The expected state of the launcher after the fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Ready,
    Ended,
}

/// The running service into which a fault is injected.
struct Scene {
    service: Service,
    running: Running,
    load: Load,
    /// Everything that exceeded its time limit.
    slow: Vec<String>,
}

impl Scene {
    /// Records that `what` exceeded its time limit.
    fn allow(&mut self, what: &str, took: Duration, most: Duration) {
        if took > most {
            self.slow
                .push(format!("{what} took {took:?}, allowed {most:?}"));
        }
    }
}

/// The result of a row.
struct Report {
    name: &'static str,
    sent: usize,
    failed: usize,
    longest: Duration,
    p99: Duration,
    /// Number of this attempt.
    tries: usize,
    /// Everything that exceeded its time limit.
    slow: Vec<String>,
    /// All unexpected results; empty when the row passed.
    wrong: String,
}

impl Report {
    /// A row that could not be completed.
    fn broken(fault: &Fault, wrong: String) -> Self {
        Self {
            name: fault.name,
            sent: 0,
            failed: 0,
            longest: Duration::ZERO,
            p99: Duration::ZERO,
            tries: 1,
            slow: Vec::new(),
            wrong,
        }
    }
}

/// Runs a row again while it only exceeds time limits.
fn run_with_retries(fault: &Fault, rights: Rights) -> Report {
    let mut tries = 0;
    loop {
        tries += 1;
        let report = catch_unwind(|| run(fault, rights))
            .unwrap_or_else(|panic| Report::broken(fault, message_of(panic.as_ref())));
        if !report.wrong.is_empty() || report.slow.is_empty() || tries == TRIES {
            return Report { tries, ..report };
        }
    }
}

fn run(fault: &Fault, rights: Rights) -> Report {
    let service = (fault.service)();
    let started = Instant::now();
    let launcher = (fault.launcher)(Launcher::new(&service)).with_rights(rights);
    let mut running = launcher.start();
    match fault.begin {
        Begin::Ready => running.wait_ready(),
        Begin::Importing => service.wait_for_notes("importing", 1),
    }
    let start = started.elapsed();
    let load = Load::start(
        running.address,
        CLIENTS,
        Clients::KeepAlive,
        &Request::get(fault.path),
    );
    let mut scene = Scene {
        service,
        running,
        load,
        slow: Vec::new(),
    };
    if fault.begin == Begin::Ready {
        scene.load.wait_for_requests(CALM, Duration::from_secs(30));
    }
    let storm = Instant::now();
    let injected = catch_unwind(AssertUnwindSafe(|| {
        (fault.inject)(&mut scene);
        if fault.after == After::Ready {
            scene.load.wait_for_requests(CALM, Duration::from_secs(30));
            assert!(scene.running.is_ready(), "not ready after it");
            scene.running.assert_runs();
        }
    }));
    let Scene {
        running,
        load,
        mut slow,
        ..
    } = scene;
    let outcome = load.stop();
    let mut wrong = injected
        .err()
        .map(|panic| message_of(panic.as_ref()))
        .unwrap_or_default();
    if let Some(reason) = too_many_failed(fault, &outcome) {
        let between = if wrong.is_empty() { "" } else { "; " };
        write!(wrong, "{between}{reason}").unwrap();
    }
    let most = longest_allowed(fault, &outcome, (started, storm), CRASH + start);
    if outcome.longest() > most {
        slow.push(format!(
            "a request took {:?}, allowed {most:?}",
            outcome.longest()
        ));
    }
    if !wrong.is_empty() {
        write!(wrong, "\n{}", running.log.tail(60)).unwrap();
    }
    Report {
        name: fault.name,
        sent: outcome.sent(),
        failed: outcome.failed(),
        longest: outcome.longest(),
        p99: outcome.p99(),
        tries: 1,
        slow,
        wrong,
    }
}

fn too_many_failed(fault: &Fault, outcome: &Outcome) -> Option<String> {
    let (counted, allowed) = match fault.failed {
        Failed::None => (outcome.failed(), 0),
        Failed::Hit(most) => (outcome.failed(), most),
        Failed::OnlyRefused => (outcome.failed_beyond_refusal(), 0),
        Failed::Any => (0, 0),
    };
    let reasons = || format!("{counted} failed, allowed {allowed}: {}", outcome.reasons());
    (counted > allowed).then(reasons)
}

/// `calm` is the interval before the fault, `crash` the duration of [`Longest::Crash`] on this machine.
fn longest_allowed(
    fault: &Fault,
    outcome: &Outcome,
    calm: (Instant, Instant),
    crash: Duration,
) -> Duration {
    match fault.longest {
        Longest::Crash => crash,
        Longest::AtMost(most) => most,
        Longest::CalmP99Times(times) => outcome.between(calm.0, calm.1).p99() * times,
        Longest::Any => Duration::MAX,
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().cloned();
    words
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

fn row(report: &Report) -> String {
    let verdict = match (report.wrong.as_str(), report.slow.as_slice(), report.tries) {
        ("", [], 1) => "ok".to_owned(),
        ("", [], tries) => format!("ok at try {tries}"),
        ("", ..) => "TOO SLOW".to_owned(),
        _ => "FAILED".to_owned(),
    };
    format!(
        "{:<52} {:>7} {:>7} {:>9.3} {:>9.3}  {verdict}\n",
        report.name,
        report.sent,
        report.failed,
        report.longest.as_secs_f64(),
        report.p99.as_secs_f64(),
    )
}

#[test]
fn fault_matrix() {
    let rights = Rights::named(&std::env::var("FAULT_RIGHTS").unwrap_or_default());
    run_rows(&std::env::var("FAULT").unwrap_or_default(), rights);
}

#[test]
fn kills_with_the_fewest_rights() {
    run_rows("kill -9", Rights::Restricted);
}

/// Runs the rows whose name contains a text, two at a time.
fn run_rows(wanted: &str, rights: Rights) {
    let rows: Vec<_> = table::FAULTS
        .iter()
        .filter(|fault| fault.name.contains(wanted))
        .collect();
    assert!(!rows.is_empty(), "no row contains {wanted:?}");
    let queue = Mutex::new(rows.iter().enumerate());
    let reports = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((index, fault)) = next else { break };
                    let report = run_with_retries(fault, rights);
                    reports.lock().unwrap().push((index, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by_key(|(index, _)| *index);
    let mut text = format!(
        "{:<52} {:>7} {:>7} {:>9} {:>9}\n",
        "\nfault", "sent", "failed", "longest", "p99"
    );
    let mut wrong = String::new();
    for (_, report) in &reports {
        text.push_str(&row(report));
        if !report.wrong.is_empty() {
            write!(wrong, "\n{}: {}\n", report.name, report.wrong).unwrap();
        } else if !report.slow.is_empty() {
            let slow = report.slow.join("; ");
            write!(wrong, "\n{}: {TRIES} times: {slow}\n", report.name).unwrap();
        }
    }
    // Bypasses the test harness, which captures the output of passing tests.
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}
