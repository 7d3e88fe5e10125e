//! Calculates the number of nginx workers, their connections and the backlog, and checks the memory limit.

use crate::config::Setting;
use crate::config::problem::Findings;

/// More nginx workers do not help a single service: one forwards tens of thousands of requests per second.
const MAX_NGINX_WORKERS: u32 = 4;
/// Connections of each nginx worker, at most. A connection costs nginx 424 bytes before it is used.
const MAX_CONNECTIONS: u64 = 20_480;
/// Bytes of memory that a connection with half a request costs nginx: 8 KiB of headers, 16 KiB of body, its pools.
const MEMORY_PER_CONNECTION: u64 = 32 * 1024;
/// However little memory there is: idle connections cost 1 KiB.
const MIN_CONNECTIONS_BY_MEMORY: u64 = 1024;
/// The launcher can see no more connections in a listen queue: the kernel lists them in one message of 32 KiB.
pub(crate) const MAX_QUEUE: u32 = 8000;
/// However few files may be open: nginx needs some to start.
const MIN_CONNECTIONS: u64 = 64;
/// File descriptors that nginx needs besides its connections: listeners, logs, channels, static files.
pub(crate) const OTHER_FILES: u64 = 256;
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

/// Connections of one nginx worker: so many that thousands of clients that send nothing leave room for others, also when
/// one worker gets them all. As many as files may be open, and as a quarter of the memory limit has room for.
pub(crate) fn nginx_connections(workers: u32, open_files: u64, memory_limit: Option<u64>) -> u32 {
    let files = open_files.saturating_sub(OTHER_FILES);
    let memory = memory_limit.map_or(u64::MAX, |limit| {
        (limit / 4 / MEMORY_PER_CONNECTION / u64::from(workers.max(1)))
            .max(MIN_CONNECTIONS_BY_MEMORY)
    });
    let possible = files.min(memory).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS);
    u32::try_from(possible).unwrap_or(u32::MAX)
}

/// Requests that may wait while every slot is busy, and the connections that the application's socket takes as long as
/// slots are free: requests that come for them are in its queue until the processes take them. At most `somaxconn`: the
/// kernel silently truncates a larger backlog (listen(2)), and uWSGI refuses to start with one. At most [`MAX_QUEUE`], too.
pub(crate) fn queue(wanted: u32, slots: u32, somaxconn: u32) -> (u32, u32) {
    let most = somaxconn.clamp(1, MAX_QUEUE);
    (wanted.min(most), (wanted + slots).min(most))
}

/// Warns when fewer requests can wait than the configuration wants.
pub(crate) fn check_queue(wanted: &Setting<u32>, queue: u32, findings: &mut Findings) {
    if wanted.set && queue < wanted.value {
        let (why, hint) = if queue == MAX_QUEUE {
            ("the launcher can watch no more", "lower queue_size")
        } else {
            (
                "net.core.somaxconn allows no more",
                "raise net.core.somaxconn (docker run --sysctl net.core.somaxconn=…), or lower queue_size",
            )
        };
        findings.warning(
            &wanted.at,
            format!(
                "{} requests cannot wait here, only {queue}: {why}",
                wanted.value
            ),
            hint,
        );
    }
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
        assert_eq!(queue(1024, 17, 4096), (1024, 1041));
        assert_eq!(queue(1024, 17, 128), (128, 128));
        assert_eq!(queue(0, 4, 4096), (0, 4));
        assert_eq!(queue(20_000, 17, 65_535), (8000, 8000));
        assert_eq!(nginx_workers(64), 4);
        assert_eq!(nginx_connections(2, 1_048_576, None), 20_480);
        assert_eq!(nginx_connections(2, 20_000, None), 19_744);
        assert_eq!(nginx_connections(2, 1024, None), 768);
        assert_eq!(nginx_connections(2, 64, None), 64);
        let mib = 1024 * 1024;
        assert_eq!(nginx_connections(2, 20_000, Some(512 * mib)), 2048);
        assert_eq!(nginx_connections(4, 20_000, Some(64 * mib)), 1024);
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
