//! A status report for tests.

use super::*;

/// A report in which every field holds something.
pub(crate) fn report() -> StatusReport {
    StatusReport {
        name: "a\"b\\c\nd".into(),
        version: "0.1.0".into(),
        phase: ServicePhase::Ready,
        phase_seconds: 1.5,
        ts: "2026-11-27T09:00:00Z".into(),
        ready: true,
        reason: None,
        pid: 1,
        started_at: String::new(),
        uptime_seconds: 2.5,
        generation: 3,
        config_file: Some("/srv/secret/config.json".into()),
        listen: Vec::new(),
        plan: PlanSummary {
            slots: 4,
            processes: 4,
            threads: 1,
            queue: 1024,
            nginx_workers: 2,
            request_timeout_seconds: Some(120),
        },
        children: vec![ChildStatus {
            name: "nginx".into(),
            role: ChildRole::Serving,
            state: ChildPhase::Running,
            pid: Some(2),
            since_seconds: None,
            restarts: 5,
            last_exit: None,
        }],
        sandbox: crate::status::SandboxStatus::default(),
        warnings: vec!["the import has left open /srv/secret/file".to_owned()],
        waiting: Some(3),
        oldest_wait_seconds: Some(0.25),
        clients: Some(ClientConnections {
            reading: 5,
            writing: 6,
            idle: 7,
        }),
        shed: [("queue_full".to_owned(), 8)].into(),
        finishing: vec![workers().remove(0)],
        workers: workers(),
        restarts: 5,
        worker_exits: [("crash".to_owned(), 9)].into(),
        traffic: traffic(),
        slow_requests: vec![slow()],
        errors: vec![group()],
        events: vec![EventStatus {
            ts: "2026-11-27T09:00:00Z".into(),
            level: "warn".into(),
            message: "A secret event.".into(),
        }],
        reloads: reloads(),
        generations: vec![GenerationStatus {
            number: 3,
            ts: "2026-11-27T09:00:00Z".into(),
            slots: 4,
        }],
        resources: ResourceStatus {
            memory_limit_bytes: Some(1 << 30),
            memory_usage_bytes: Some(1 << 29),
            memory_working_set_bytes: Some(1 << 28),
            oom_kills: 1,
            cpu_throttled_seconds: Some(0.5),
            launcher: figures(),
        },
        last_errors: vec![ErrorRecord {
            ts: "2026-11-27T09:00:00Z".into(),
            source: "app.stderr".into(),
            message: "Traceback (most recent call last): secret".into(),
        }],
        log: LogStatus {
            produced: 10,
            delivered: 8,
            dropped: 2,
            buffered: 0,
            stalled_seconds: Some(1.5),
        },
        details: true,
        left_out: None,
    }
}

fn figures() -> ProcessFigures {
    ProcessFigures {
        age_seconds: Some(90.0),
        cpu_seconds: Some(1.25),
        cpu_share: Some(0.5),
        rss_bytes: Some(60 << 20),
        pss_bytes: Some(31 << 20),
        descriptors: Some(12),
        threads: Some(1),
    }
}

fn traffic() -> TrafficStatus {
    let times = Percentiles {
        p50: 0.01,
        p90: 0.1,
        p99: 1.0,
        max: 2.0,
    };
    let window = WindowStatus {
        seconds: 60.0,
        requests: 120,
        per_second: 2.0,
        client_errors: 3,
        server_errors: 4,
        duration: times,
        queue: times,
        app: times,
    };
    let histogram = HistogramStatus {
        sum: 12.5,
        count: 130,
        buckets: vec![(0.005, 100), (0.01, 120)],
    };
    TrafficStatus {
        requests: 130,
        answers: [("GET 200".to_owned(), 123), ("POST 500".to_owned(), 7)].into(),
        timeouts: 2,
        replayed: 1,
        cut: 3,
        last_minute: window,
        last_5_minutes: window,
        since_start: window,
        duration: histogram.clone(),
        queue: histogram.clone(),
        app: histogram,
        per_second: vec![1, 2, 3],
    }
}

fn slow() -> SlowRequestStatus {
    SlowRequestStatus {
        ts: "2026-11-27T09:00:00Z".into(),
        request_id: "secret-id".into(),
        method: "GET".into(),
        path: "/users/secret".into(),
        status: 200,
        seconds: 2.5,
        queue_seconds: Some(1.0),
        app_seconds: Some(1.5),
        worker: Some(1),
        reason: String::new(),
    }
}

fn group() -> ErrorGroup {
    ErrorGroup {
        source: "app.stderr".into(),
        kind: "RuntimeError".into(),
        place: "src/secret.py:3 in boom".into(),
        message: "secret".into(),
        count: 3,
        first: "2026-11-27T08:00:00Z".into(),
        last: "2026-11-27T09:00:00Z".into(),
        request: "GET /secret".into(),
        request_id: "secret-id".into(),
    }
}

fn reloads() -> ReloadsStatus {
    let outcomes = ["committed", "invalid", "refused", "rolled_back"];
    ReloadsStatus {
        outcomes: outcomes.map(|outcome| (outcome.to_owned(), 1)).into(),
        last: Some(LastReload {
            outcome: "committed".into(),
            asked_by: "a signal (HUP)".into(),
            ts: "2026-11-27T09:00:00Z".into(),
            seconds: 0.75,
            text: "secret".into(),
        }),
        current: None,
    }
}

fn workers() -> Vec<WorkerStatus> {
    let serving = RequestStatus {
        request_id: "secret-id".into(),
        method: "GET".into(),
        path: "/users/secret".into(),
        seconds: 1,
        queue_seconds: Some(2),
        websocket: false,
    };
    [
        WorkerState::Busy,
        WorkerState::Ending,
        WorkerState::Dead,
        WorkerState::Stopped,
    ]
    .map(|state| WorkerStatus {
        id: 1,
        pid: 9,
        state,
        requests: 7,
        serving: if state == WorkerState::Busy {
            vec![serving.clone()]
        } else {
            Vec::new()
        },
        process: figures(),
        exits: [("crash".to_owned(), 2)].into(),
    })
    .into()
}
