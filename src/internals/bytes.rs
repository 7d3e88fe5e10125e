//! The readers of bytes that others write, each as a function of these bytes: for fuzz targets.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;

use nix::sys::socket::AddressFamily;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::host::{cgroup, venv};
use crate::programs::nginx::status_page;
use crate::programs::uwsgi::reading::Reading;
use crate::programs::uwsgi::{leftovers, protocol, stats_json};
use crate::queue::shed::{self, Cause};
use crate::stacks::profile::StackProfile;
use crate::stacks::text;
use crate::sys::procfs::{self, TcpState};
use crate::sys::sock_diag::listen_queue::QueueAnswer;
use crate::sys::sock_diag::{tcp, unix_peers};
use crate::sys::{self, process_stat};

/// More than a test writes at once, so that neither side waits for the other.
const ROOM: usize = 1024 * 1024;

/// uWSGI's statistics: its main process, and its workers as the status shows them (JSON).
pub fn statistics(bytes: Vec<u8>) -> io::Result<(i32, String)> {
    let statistics = stats_json::parse(bytes)?;
    let (master, mut reading) = (statistics.master, Reading::default());
    reading.update(statistics);
    Ok((master, serde_json::to_string(&reading.statuses())?))
}

/// The beginning of a response to a health check: the status, and whether the launcher itself has refused the request.
pub fn application_answer(response: &[u8]) -> Option<(u16, bool)> {
    let line = protocol::status_line(response)?;
    Some((line.status, line.refused))
}

/// The answer to a request that has waited for too long, whatever the request is.
pub async fn refusal(request: &[u8]) -> io::Result<Vec<u8>> {
    let (mut nginx, launcher) = tokio::io::duplex(ROOM);
    let asking = async {
        nginx.write_all(request).await?;
        nginx.shutdown().await?;
        let mut answer = Vec::new();
        nginx.read_to_end(&mut answer).await?;
        Ok(answer)
    };
    let (answered, answer) = tokio::join!(shed::answer(launcher, Cause::QueueTimeout), asking);
    answered.and(answer)
}

/// The stacks of workers, and the workers themselves (JSON), as an operator reads them.
pub fn stacks(answer: &[u8]) -> serde_json::Result<String> {
    Ok(text::text(&serde_json::from_slice(answer)?))
}

/// A slice of a profile (JSON), added twice: the summary, and the lines for a flame graph.
pub fn profile(slice: &[u8]) -> serde_json::Result<(String, Vec<String>)> {
    let mut profile = StackProfile::default();
    for _ in 0..2 {
        profile.add(serde_json::from_slice(slice)?);
    }
    Ok((profile.summary(), profile.folded()))
}

/// nginx's status page: connections that read, that write, and that do neither.
pub fn status_page(text: &str) -> Option<[u64; 3]> {
    let page = status_page::parse(text)?;
    Some([page.reading, page.writing, page.idle])
}

/// The kernel's answer about a listening Unix socket: the waiting connections; none when it is not complete.
pub fn waiting_connections(
    datagrams: &[&[u8]],
    inode: u32,
    dump: bool,
) -> Option<io::Result<Vec<u32>>> {
    let mut answer = QueueAnswer::to(inode, dump);
    datagrams
        .iter()
        .find_map(|datagram| match answer.take(datagram) {
            ControlFlow::Break(end) => Some(end),
            ControlFlow::Continue(()) => None,
        })
}

/// A connection in the kernel's answer: its client, and the bytes received from it and taken by it.
pub type ClientBytes = (SocketAddr, u64, u64);

/// The kernel's answer about the TCP connections of a port; none when it is not complete.
pub fn tcp_connections(
    datagram: &[u8],
    port: u16,
    version_6: bool,
) -> (Vec<ClientBytes>, Option<io::Result<()>>) {
    let version = if version_6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    let mut list = Vec::new();
    let end = match tcp::take(datagram, port, version, &mut list) {
        ControlFlow::Break(end) => Some(end),
        ControlFlow::Continue(()) => None,
    };
    let list = list.iter();
    let list = list.map(|found| (found.client, found.received, found.acked));
    (list.collect(), end)
}

/// The names of the sockets to which these (by inode) are connected, in the kernel's answer.
pub fn unix_peers(datagram: &[u8], inodes: &[u32]) -> Vec<String> {
    unix_peers::peers_of(datagram, inodes)
}

/// /proc/PID/stat: name, state, parent, and the signal that has ended it.
pub fn process_stat(line: &str) -> Option<(String, char, i32, Option<i32>)> {
    let stat = process_stat::parse(line)?;
    Some((stat.name, stat.state, stat.parent, stat.killed_by))
}

/// /proc/net/tcp: local and remote address and inode of each socket, and whether it is connected.
pub fn tcp_table(table: &str) -> Vec<(SocketAddr, SocketAddr, u64, bool)> {
    let sockets = procfs::parse_tcp_table(table).into_iter();
    sockets
        .map(|socket| {
            let connected = socket.state == TcpState::Established;
            (socket.local, socket.remote, socket.inode, connected)
        })
        .collect()
}

/// /proc/PID/cgroup: the folders of the group and its parents.
pub fn cgroup_folders(groups: &str, controller: &str) -> Vec<PathBuf> {
    sys::cgroup::folders(groups, controller)
}

/// A file of a control group: a limit of CPUs, and one of bytes.
pub fn cgroup_limits(text: &str) -> (Option<f64>, Option<u64>) {
    (cgroup::parse_cpu_max(text), sys::cgroup::bytes(text))
}

/// pyvenv.cfg: the version of Python, empty where it is missing.
pub fn pyvenv_version(text: &str) -> String {
    venv::parse_version(text)
}

/// The names of threads that the application has left behind, which it writes itself.
pub fn left_behind(text: &str) -> Vec<String> {
    leftovers::names(text)
}
