//! One table of faults: each is injected once into a service under load, and the table says what the load
//! may notice of it.
//!
//! `FAULT=reload cargo test faults` runs the rows whose name contains the word. Reading order: [`table`] has
//! the rows, the other modules what they do.

mod clients;
mod crash;
mod ends;
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

/// Clients of the load.
const CLIENTS: usize = 8;
/// Slots of the service, unless a row says otherwise.
const SLOTS: usize = 4;
/// Requests before the fault, so that it hits a service in full swing, and after it.
const CALM: usize = 200;
/// A row whose only fault is that it was slow is run again, at most so often in all: the machine may have had other
/// work. A service that is too slow is so each time; a failed request is never forgiven.
const TRIES: usize = 3;
/// What a crash may cost whoever asks meanwhile, besides the application's own import.
const CRASH: Duration = Duration::from_secs(2);

/// A row of the table.
struct Fault {
    name: &'static str,
    service: fn() -> Service,
    launcher: fn(Launcher) -> Launcher,
    begin: Begin,
    /// What the load asks for.
    path: &'static str,
    /// Does the harm, waits until it is over and looks at what only this fault has to show.
    inject: fn(&mut Scene),
    failed: Failed,
    longest: Longest,
    after: After,
}

/// Which requests of the load may fail.
#[derive(Clone, Copy, Debug)]
enum Failed {
    None,
    /// Those that the fault itself hits, at most so many.
    Hit(usize),
    /// None but those that come when nobody listens any more.
    OnlyRefused,
    /// The service is gone; only what is left of it counts.
    Any,
}

/// How long a request of the load may take.
#[derive(Clone, Copy, Debug)]
enum Longest {
    /// [`CRASH`] and the time of a start.
    Crash,
    AtMost(Duration),
    /// So many times the p99 of the calm before the fault.
    CalmP99Times(u32),
    Any,
}

/// How far the start has come when the fault happens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Begin {
    /// Ready and in full swing.
    Ready,
    /// The application has noted that it is being imported.
    Importing,
}

/// What has become of the launcher.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Ready,
    Ended,
}

/// Where a fault happens.
struct Scene {
    service: Service,
    running: Running,
    load: Load,
    /// What took longer than it may.
    slow: Vec<String>,
}

impl Scene {
    /// Notes what took longer than it may.
    fn allow(&mut self, what: &str, took: Duration, most: Duration) {
        if took > most {
            self.slow
                .push(format!("{what} took {took:?}, allowed {most:?}"));
        }
    }
}

/// What a row came to.
struct Report {
    name: &'static str,
    sent: usize,
    failed: usize,
    longest: Duration,
    p99: Duration,
    /// Which try this was.
    tries: usize,
    /// What took longer than it may.
    slow: Vec<String>,
    /// All that is not as expected; empty: nothing.
    wrong: String,
}

impl Report {
    /// A row that could not be run to its end.
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

/// Runs a row until it is right, or wrong otherwise than by its time.
fn run_patiently(fault: &Fault) -> Report {
    let mut tries = 0;
    loop {
        tries += 1;
        let report = catch_unwind(|| run(fault))
            .unwrap_or_else(|panic| Report::broken(fault, message_of(panic.as_ref())));
        if !report.wrong.is_empty() || report.slow.is_empty() || tries == TRIES {
            return Report { tries, ..report };
        }
    }
}

fn run(fault: &Fault) -> Report {
    let service = (fault.service)();
    let started = Instant::now();
    let launcher = (fault.launcher)(Launcher::new(&service));
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

/// `calm` is the time before the fault, `crash` what [`Longest::Crash`] comes to here.
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
    let wanted = std::env::var("FAULT").unwrap_or_default();
    let rows: Vec<_> = table::FAULTS
        .iter()
        .filter(|fault| fault.name.contains(&wanted))
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
                    let report = run_patiently(fault);
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
    // Past the test harness, which keeps to itself what a passing test prints.
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}
