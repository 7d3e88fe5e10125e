//! Calculates the number of nginx workers, their connections and the backlog, and checks the memory limit.

use crate::config::problem::Findings;

/// More nginx workers do not help a single service: one forwards tens of thousands of requests per second.
const MAX_NGINX_WORKERS: u32 = 4;
/// Idle keep-alive connections of each nginx worker, in addition to the in-flight requests.
const IDLE_CONNECTIONS: u32 = 1024;
/// File descriptors that nginx needs besides its connections: listeners, logs, channels, static files.
const OTHER_FILES: u64 = 256;
/// Minimum memory of a forked process of a small Flask service that is still idle, in bytes (16 use 36 MiB together).
const MIN_MEMORY_PER_PROCESS: u64 = 4 * 1024 * 1024;
/// Memory of the launcher, nginx and uWSGI's master with a small application, in bytes.
const BASE_MEMORY: u64 = 40 * 1024 * 1024;

/// Usable CPUs: those in the affinity mask, or the quota rounded up if that is less.
pub(crate) fn effective_cpus(allowed: u32, quota: Option<f64>) -> u32 {
    let quota = quota.map_or(allowed, |q| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a quota is positive, and more CPUs than u32 holds do not exist"
        )]
        let whole = q.ceil() as u32;
        whole
    });
    allowed.min(quota).max(1)
}

/// One worker per CPU, up to a maximum.
pub(crate) fn nginx_workers(cpus: u32) -> u32 {
    cpus.clamp(1, MAX_NGINX_WORKERS)
}

/// Connections of one nginx worker. A request needs two (client and uWSGI), and one worker may get all requests.
pub(crate) fn nginx_connections(slots: u32, backlog: u32, open_files: u64) -> u32 {
    let wanted = 2 * (slots + backlog) + IDLE_CONNECTIONS;
    let possible = u32::try_from(open_files.saturating_sub(OTHER_FILES))
        .unwrap_or(u32::MAX)
        .max(64);
    wanted.min(possible)
}

/// Requests that may wait: as many as wanted, but at least one for each slot, because a request that comes for a free
/// slot also waits for the moment until a process takes it. At most `somaxconn`: the kernel silently truncates a larger
/// backlog (listen(2)), and uWSGI refuses to start with one.
pub(crate) fn queue(wanted: u32, slots: u32, somaxconn: u32) -> u32 {
    wanted.max(slots).min(somaxconn.max(1))
}

/// The backlog with which a Unix socket lets this many connections wait: it counts from zero (`unix_recvq_full` in
/// net/unix/af_unix.c).
pub(crate) fn backlog(waiting: u32) -> u32 {
    waiting.saturating_sub(1)
}

/// Warns when the processes exceed the memory limit (in bytes) even with a minimal application.
pub(crate) fn check_memory(processes: u32, limit: u64, at: &str, findings: &mut Findings) {
    let needed = BASE_MEMORY + u64::from(processes) * MIN_MEMORY_PER_PROCESS;
    if needed > limit {
        let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
        findings.warning(
            at,
            format!(
                "{processes} processes need at least {} MiB, the memory limit is {} MiB",
                mib(needed),
                mib(limit)
            ),
            "raise the limit, or serve fewer requests at the same time, or set wsgi_processes to fewer processes with threads",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_follow_mask_and_quota() {
        assert_eq!(effective_cpus(8, None), 8);
        assert_eq!(effective_cpus(8, Some(1.5)), 2);
        assert_eq!(effective_cpus(2, Some(64.0)), 2);
        assert_eq!(effective_cpus(4, Some(0.1)), 1);
    }

    #[test]
    fn system_limits_are_respected() {
        assert_eq!(queue(1024, 17, 4096), 1024);
        assert_eq!(queue(1024, 17, 128), 128);
        assert_eq!(queue(0, 4, 4096), 4);
        assert_eq!(nginx_workers(64), 4);
        assert_eq!(nginx_connections(17, 1024, 1_048_576), 3106);
        assert_eq!(nginx_connections(17, 1024, 1024), 768);
    }

    #[test]
    fn too_little_memory_is_a_warning() {
        let mut findings = Findings::default();
        check_memory(
            17,
            64 * 1024 * 1024,
            "/nginx_config/wsgi_worker_threads_count",
            &mut findings,
        );
        assert!(
            findings.list[0]
                .what
                .contains("at least 108 MiB, the memory limit is 64 MiB")
        );
        check_memory(4, 64 * 1024 * 1024, "", &mut findings);
        assert_eq!(findings.list.len(), 1);
    }
}
