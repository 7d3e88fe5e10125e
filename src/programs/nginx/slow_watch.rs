//! Disconnects clients that send their requests too slowly.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use super::slow_senders::SlowSenders;
use crate::supervise::commands::{Commands, Snapshot, Snapshots};
use crate::sys::family;
use crate::sys::foreign_sockets;
use crate::sys::sock_diag::tcp::{self, TcpConnection};

/// Interval between two looks at all connections: a look costs a millisecond, and 30 with 20,000 connections.
const INTERVAL: Duration = Duration::from_secs(5);
/// Addresses in one record.
const NAMED: usize = 5;

/// Watches the connections of the local `ports` until the task is aborted.
pub(crate) async fn run(ports: Vec<u16>, snapshots: Snapshots, commands: Commands) {
    let (started, mut senders, mut told) = (Instant::now(), SlowSenders::default(), false);
    loop {
        tokio::time::sleep(INTERVAL).await;
        if snapshots.has_changed().is_err() {
            return;
        }
        if nobody_sends(&snapshots.borrow()) {
            continue;
        }
        let websockets = websockets(&snapshots.borrow());
        let ended = connections(&ports).and_then(|all| {
            let slow = senders.look(&all, websockets, started.elapsed());
            end(&slow).map(|ended| (ended, slow))
        });
        match ended {
            Ok((0, _)) => {}
            Ok((ended, slow)) => tell(ended, &slow, &commands).await,
            Err(error) if !std::mem::replace(&mut told, true) => tracing::warn!(
                %error,
                hint = "a byte every 19 s keeps a request open: let the launcher run as the user of nginx's workers, or with the capability SYS_PTRACE, in a sandbox that allows pidfd_getfd",
                "Cannot disconnect clients that send too slowly."
            ),
            Err(_) => {}
        }
    }
}

/// Whether no client has begun a request. Who sends slowly is there for longer than from one sample to the next.
fn nobody_sends(snapshot: &Snapshot) -> bool {
    let clients = snapshot.proxy.as_ref().and_then(|proxy| proxy.clients());
    clients.is_some_and(|clients| clients.reading + clients.writing == 0)
}

/// Whether there are open WebSockets, or there may be some.
fn websockets(snapshot: &Snapshot) -> bool {
    let mut applications = snapshot.application.iter().chain(&snapshot.retiring);
    applications.any(|application| {
        let workers = application.workers();
        let mut serving = workers.iter().flat_map(|worker| &worker.serving);
        workers.is_empty() || serving.any(|request| request.websocket)
    })
}

fn connections(ports: &[u16]) -> io::Result<Vec<TcpConnection>> {
    let mut all = Vec::new();
    for port in ports {
        all.extend(tcp::connections(*port)?);
    }
    Ok(all)
}

fn end(slow: &[TcpConnection]) -> io::Result<usize> {
    if slow.is_empty() {
        return Ok(0);
    }
    let inodes: HashSet<u32> = slow.iter().map(|connection| connection.inode).collect();
    foreign_sockets::shut_down(&family::children_named("nginx"), &inodes)
}

async fn tell(ended: usize, slow: &[TcpConnection], commands: &Commands) {
    let mut addresses: Vec<String> = slow.iter().map(|c| c.client.ip().to_string()).collect();
    addresses.sort();
    addresses.dedup();
    let more = addresses.len().saturating_sub(NAMED);
    addresses.truncate(NAMED);
    tracing::warn!(
        connections = ended,
        clients = addresses.join(" "),
        more_clients = more,
        reason = "too_slow",
        "Clients sent their requests too slowly and were disconnected."
    );
    commands
        .count_too_slow(u64::try_from(ended).unwrap_or(u64::MAX))
        .await;
}
