//! A hundred thousand requests: afterwards each view has exactly the figures that the clients have counted themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::http::{Request, TIMEOUT, Target};
use crate::launcher::Launcher;
use crate::load::parallel;
use crate::log::Stream;
use crate::running::Running;
use crate::service::Service;
use crate::telemetry::by_socket;
use crate::wait::until;

const REQUESTS: u64 = 100_000;
const CLIENTS: usize = 8;
/// For what is still on its way when the last answer is there.
const SOON: Duration = Duration::from_secs(60);

/// Flask itself would take half of the time of this test.
const APP: &str = r#"
def app(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise ValueError("asked to fail")
    status = "404 Not Found" if environ["PATH_INFO"] == "/absent" else "200 OK"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"#;

/// Numbers by what they count: answers by method and status as the status names them, or metrics with their labels.
type Figures = BTreeMap<String, u64>;

/// What a request with this number asks for, and the status that it gets.
fn request(number: u64) -> (Request, u16) {
    match number {
        _ if number.is_multiple_of(500) => (Request::get("/boom"), 500),
        _ if number % 100 == 7 => (Request::get("/absent"), 404),
        _ if number % 10 == 1 => (Request::post("/", ""), 200),
        _ if number % 10 == 2 => (Request::new("HEAD", "/"), 200),
        // nginx answers this one itself.
        _ if number % 10 == 3 => (Request::get("/static/word.txt"), 200),
        _ => (Request::get("/"), 200),
    }
}

/// The answers to all requests together. Of the answers to `request`, 10,000 come from nginx.
fn expected() -> Figures {
    let answers = [
        ("GET 200", 78_800),
        ("GET 404", 1_000),
        ("GET 500", 200),
        ("HEAD 200", 10_000),
        ("POST 200", 10_000),
    ];
    answers.map(|(name, count)| (name.to_owned(), count)).into()
}
const OF_WORKERS: u64 = REQUESTS - 10_000;

/// Sends the share of one client on connections that are kept, and counts the answers.
fn ask(running: &Running, client: usize) -> Figures {
    let target = Target::from(running.address);
    let mut kept: Option<Connection> = None;
    let mut answers = Figures::new();
    for number in (client as u64..REQUESTS).step_by(CLIENTS) {
        let connection = kept.take();
        let mut connection =
            connection.unwrap_or_else(|| Connection::open(&target, TIMEOUT).unwrap());
        let (request, status) = request(number);
        let answer = connection.send(&request).unwrap();
        assert_eq!(answer.status, status, "{request:?}: {}", answer.text());
        let name = format!("{} {}", request.method, answer.status);
        *answers.entry(name).or_default() += 1;
        if !answer.closes() {
            kept = Some(connection);
        }
    }
    answers
}

fn asked_in_parallel(running: &Running) -> Figures {
    let mut answers = Figures::new();
    for (name, count) in parallel(CLIENTS, |client| ask(running, client))
        .into_iter()
        .flatten()
    {
        *answers.entry(name).or_default() += count;
    }
    answers
}

/// The metrics that are whole numbers.
fn metrics(running: &Running) -> Figures {
    let text = running.ask_admin("/metrics").unwrap().text();
    text.lines()
        .filter_map(|line| {
            let line = line.strip_prefix("microservice_flask_")?;
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// The series of one metric, and their sum.
fn series(metrics: &Figures, name: &str) -> (Figures, u64) {
    let name = format!("{name}{{");
    let series: Figures = metrics
        .iter()
        .filter(|(series, _)| series.starts_with(&name))
        .map(|(series, value)| (series.clone(), *value))
        .collect();
    let sum = series.values().sum();
    (series, sum)
}

fn assert_status(status: &Value, answers: &Figures) {
    let traffic = &status["traffic"];
    assert_eq!(traffic["requests"], REQUESTS, "{traffic}");
    assert_eq!(traffic["answers"], json!(answers), "{traffic}");
    for what in ["timeouts", "replayed", "cut"] {
        assert_eq!(traffic[what], 0, "{what}: {traffic}");
    }
    let all = &traffic["since_start"];
    for (what, count) in [
        ("requests", REQUESTS),
        ("client_errors", 1_000),
        ("server_errors", 200),
    ] {
        assert_eq!(all[what], count, "{what}: {all}");
    }
    let errors = status["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["kind"], "ValueError", "{errors:?}");
    assert_eq!(errors[0]["count"], 200, "{errors:?}");
}

fn assert_metrics(running: &Running, answers: &Figures) {
    let metrics = until(SOON, "uWSGI has counted the last ones", || {
        let metrics = metrics(running);
        (series(&metrics, "worker_requests_total").1 == OF_WORKERS).then_some(metrics)
    });
    let labelled = |(name, count): (&String, &u64)| {
        let (method, status) = name.split_once(' ').unwrap();
        let labels = format!("method=\"{method}\",status=\"{status}\"");
        (format!("http_requests_total{{{labels}}}"), *count)
    };
    let labelled: Figures = answers.iter().map(labelled).collect();
    assert_eq!(series(&metrics, "http_requests_total").0, labelled);
    for (name, count) in [
        ("http_request_duration_seconds_count", REQUESTS),
        // Files wait for no slot.
        ("queue_wait_seconds_count", OF_WORKERS),
        ("app_duration_seconds_count", OF_WORKERS),
        ("request_timeouts_total", 0),
        ("log_records_dropped_total", 0),
    ] {
        assert_eq!(metrics.get(name), Some(&count), "{name}");
    }
}

/// Stops the service and reads its log.
fn assert_log(mut running: Running, answers: &Figures) {
    until(SOON, "the log has every record that was counted", || {
        let mut lines = 0;
        running
            .log
            .each(|line| lines += u64::from(line.stream == Stream::Stdout));
        let metrics = metrics(&running);
        let is_all = |name| metrics.get(name) == Some(&lines);
        let names = ["log_records_produced_total", "log_records_delivered_total"];
        names.into_iter().all(is_all).then_some(())
    });
    running.stop(Duration::from_secs(15));
    let (mut logged, mut ids) = (Figures::new(), BTreeSet::new());
    running.log.each(|line| {
        if line.is_from("nginx.access") {
            let name = format!("{} {}", line.str("method"), line.json["status"]);
            *logged.entry(name).or_default() += 1;
            ids.insert(line.str("request_id").to_owned());
        }
    });
    assert_eq!(&logged, answers, "the access records");
    assert_eq!(ids.len() as u64, REQUESTS, "each has an id of its own");
}

#[test]
fn a_hundred_thousand_requests_are_counted_exactly_in_every_view() {
    let service = Service::empty()
        .main_py(APP)
        .nginx_config(&json!({"wsgi_worker_threads_count": 4}))
        .file("src/static/word.txt", "word");
    let running = Launcher::new(&service).start_ready();
    let answers = asked_in_parallel(&running);
    assert_eq!(answers, expected(), "what the clients have counted");
    let status = until(SOON, "all are counted", || {
        let status = by_socket(&running);
        (status["traffic"]["requests"].as_u64() >= Some(REQUESTS)).then_some(status)
    });
    assert_status(&status, &answers);
    assert_metrics(&running, &answers);
    let told: Vec<String> = answers
        .iter()
        .map(|(name, count)| format!("{name}: {count}"))
        .collect();
    let told = told.join(", ");
    let text = running.run_command(&["status", "--all"]);
    text.assert_code(0).assert_says(&told);
    let page = running.ask_admin("/").unwrap().text();
    assert!(page.contains(&told), "{told}: {page}");
    assert_log(running, &answers);
}
