//! The report to begin with.

use std::collections::BTreeMap;

use super::{
    LogStatus, PlanSummary, ReloadsStatus, ResourceStatus, SandboxStatus, ServicePhase,
    StatusReport, TrafficStatus,
};

impl StatusReport {
    /// A report of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            phase: ServicePhase::Starting,
            phase_seconds: 0.0,
            ts: String::new(),
            ready: false,
            reason: None,
            pid: 0,
            started_at: String::new(),
            uptime_seconds: 0.0,
            generation: 0,
            config_file: None,
            listen: Vec::new(),
            plan: PlanSummary::default(),
            sandbox: SandboxStatus::default(),
            children: Vec::new(),
            workers: Vec::new(),
            waiting: None,
            oldest_wait_seconds: None,
            clients: None,
            shed: BTreeMap::new(),
            restarts: 0,
            worker_exits: BTreeMap::new(),
            warnings: Vec::new(),
            traffic: TrafficStatus::default(),
            slow_requests: Vec::new(),
            errors: Vec::new(),
            events: Vec::new(),
            reloads: ReloadsStatus::default(),
            generations: Vec::new(),
            resources: ResourceStatus::default(),
            last_errors: Vec::new(),
            log: LogStatus::default(),
            details: true,
            left_out: None,
        }
    }
}
