//! The explanation of the limits: what may wait, how long, how many clients, how much disk.

use std::fmt::Write as _;

use super::Plan;
use super::client_limit::ClientLimit;
use super::sizing::OTHER_FILES;
use super::units::{about, seconds};
use crate::config::Config;
use crate::host::Host;

pub(super) fn client_limit(plan: &Plan) -> String {
    match plan.client_connections {
        ClientLimit::None => "any number of requests of one address at the same time".to_owned(),
        ClientLimit::Public(limit) => format!(
            "up to {limit} requests of one public address at the same time, any number of a private one"
        ),
        ClientLimit::All(limit) => {
            format!("up to {limit} requests of one address at the same time")
        }
    }
}

pub(super) fn connections_reason(plan: &Plan, host: &Host) -> String {
    let connections = u64::from(plan.nginx_connections);
    let limit = if connections + OTHER_FILES >= host.open_files {
        format!(
            " (the limit of open files, {}, allows no more: ulimit -n)",
            host.open_files
        )
    } else {
        String::new()
    };
    format!(
        "more get 503 (max_connections_per_client); nginx holds up to {} connections of all clients{limit}",
        connections * u64::from(plan.nginx_workers)
    )
}

pub(super) fn disk_reason(plan: &Plan, config: &Config) -> String {
    let origin = if config.disk_buffer_size.is_some() {
        "disk_buffer_size"
    } else {
        "half of what is free in the runtime folder, at most 16 GiB (disk_buffer_size)"
    };
    let places: Vec<String> = plan
        .disk
        .bodies
        .iter()
        .map(|class| format!("{} of {}", class.places, decimal(class.bytes)))
        .collect();
    format!(
        "{origin}: nginx buffers request bodies and responses of slow clients there; so many bodies at once: {}; more get 503",
        places.join(", ")
    )
}

pub(super) fn waiting_reason(plan: &Plan, host: &Host) -> String {
    let mut why = match plan.timeouts.queue {
        Some(limit) => format!(
            "requests that come while all slots are busy wait up to {} for one, then get 503 (queue_timeout)",
            seconds(limit)
        ),
        None => "requests that come while all slots are busy wait for one".to_owned(),
    };
    why.push_str("; more get 503 at once (queue_size)");
    why.push_str("; an open WebSocket holds its slot");
    if let Some(idle) = plan.timeouts.websocket_idle {
        // Writing to a String cannot fail.
        let _ = write!(
            why,
            " until {} have passed without a byte (websocket_idle_timeout)",
            seconds(idle)
        );
    }
    if plan.queue == host.somaxconn {
        // Writing to a String cannot fail.
        let _ = write!(why, "; this system allows no more (net.core.somaxconn)");
    }
    why
}

/// Bytes in powers of ten, as the size classes are.
fn decimal(bytes: u64) -> String {
    match bytes {
        bytes if bytes.is_multiple_of(1_000_000) => format!("{} MB", bytes / 1_000_000),
        bytes if bytes.is_multiple_of(1000) => format!("{} kB", bytes / 1000),
        bytes => about(bytes),
    }
}
