//! A status report for tests.

use super::*;

/// A report in which every field holds something.
pub(crate) fn report() -> StatusReport {
    let serving = RequestStatus {
        request_id: "secret-id".into(),
        method: "GET".into(),
        path: "/users/secret".into(),
        seconds: 1,
        websocket: false,
    };
    StatusReport {
        name: "a\"b\\c\nd".into(),
        version: "0.1.0".into(),
        phase: ServicePhase::Ready,
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
        workers: [
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
        })
        .into(),
        restarts: 5,
        worker_exits: [("crash".to_owned(), 9)].into(),
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
