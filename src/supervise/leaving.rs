//! The loop's part of a child's leaving: its clients are sent away, its door is closed, its files are removed.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::child::{Retire, Role};
use super::runner::{LAST_ENTRY, News, Runner, tell_loop};
use super::state::{ChildId, Phase, State};
use super::watch;
use crate::sys::files;
use crate::sys::process;
use crate::sys::socket_filter;

/// Pause between two looks whether anybody is left of a group.
const GROUP_PAUSE: Duration = Duration::from_millis(20);

impl Runner {
    /// What a crashed child has left is told to finish, waited for and killed like a child; its end is seen from its group.
    pub(super) fn adopt(&mut self, of: ChildId, group: Pid) {
        let mut plan = self.plans[of].clone();
        plan.sockets.list.clear();
        plan.env = Vec::new();
        plan.args = Vec::new();
        self.plans.push(plan);
        let news = self.news();
        tokio::task::spawn_local(async move {
            while process::group_exists(group) {
                tokio::time::sleep(GROUP_PAUSE).await;
            }
            tell_loop(&news, News::Dispersed(group)).await;
        });
    }

    /// Signals a child, or all that a crashed one has left.
    pub(super) fn signal(&self, id: ChildId, pid: Pid, signal: Signal) {
        if self.supervisor.children[id].orphans_of.is_some() {
            process::signal_group(pid, signal);
        } else {
            process::signal(pid, signal);
        }
    }

    pub(super) fn drain(&mut self, id: ChildId) {
        let plan = &self.plans[id];
        let Some((file, _)) = &plan.stop.drain else {
            return;
        };
        if let Err(error) = files::write(file, "", 0o644) {
            // Only clients that reuse a connection in that very moment are worse off.
            tracing::warn!(child = plan.name, %error, "Cannot tell clients to close their connections.");
        }
        let child = &self.supervisor.children[id];
        let (Some(pid), None) = (child.state.pid(), child.orphans_of) else {
            // The status page may be their successor's already.
            return;
        };
        let (probe, news) = (plan.probe.clone(), self.news_sender.clone());
        let task = tokio::task::spawn_local(async move {
            if watch::without_clients(&probe).await {
                tell_loop(&news, News::Drained(id, pid)).await;
            }
        });
        self.set_task(id, task.abort_handle());
    }

    /// The last proxy takes in who has begun to connect, and nobody else, before it is asked to stop: it closes its
    /// sockets then, and what waits in a socket that is closed is reset.
    pub(super) fn stop_gracefully(&mut self, id: ChildId, pid: Pid) {
        let last = matches!(self.supervisor.phase, Phase::Stopping { .. });
        let holder = self.holds_sockets_for(id);
        let plan = &mut self.plans[holder];
        if !(last && plan.role == Role::Proxy) || plan.sockets.list.is_empty() {
            self.signal(id, pid, self.plans[id].stop.graceful);
            self.end_draining(id);
            return;
        }
        for socket in plan.sockets.list.drain(..) {
            if let Err(error) = socket_filter::drop_new_connections(&socket) {
                tracing::debug!(%error, "Clients that connect in this very moment may be reset.");
            }
        }
        let news = self.news_sender.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAST_ENTRY).await;
            tell_loop(&news, News::DoorClosed(id, pid)).await;
        });
    }

    /// Whose plan has the sockets that a child serves: its own, or that of the crashed one when nobody came after it.
    fn holds_sockets_for(&self, id: ChildId) -> ChildId {
        let children = &self.supervisor.children;
        match children[id].orphans_of {
            Some(of) if children[of].state.pid().is_none() => of,
            Some(_) | None => id,
        }
    }

    /// The successor of orphans tests the same drain file, and closes its connections after each answer as long as it
    /// is there.
    fn end_draining(&self, orphans: ChildId) {
        let children = &self.supervisor.children;
        let plan = &self.plans[orphans];
        if let (Some(of), Some((file, _))) = (children[orphans].orphans_of, &plan.stop.drain)
            && matches!(children[of].state, State::Running { .. })
            && let Err(error) = files::remove(file)
        {
            tracing::warn!(child = plan.name, %error, "Cannot end the draining: connections are closed after each answer.");
        }
    }

    pub(super) fn door_closed(&self, id: ChildId, pid: Pid) {
        if self.supervisor.children[id].state.pid() == Some(pid) {
            self.signal(id, pid, self.plans[id].stop.graceful);
        }
    }

    pub(super) fn retire(&self, id: ChildId, pid: Pid) {
        let plan = &self.plans[id];
        match &plan.stop.retire {
            Retire::Stop => process::signal(pid, plan.stop.graceful),
            Retire::Command(fifo, text) => {
                if let Err(error) = write_to_fifo(fifo, text) {
                    if !self.supervisor.children[id].ever_ready {
                        // It still imports the application, and has served nobody.
                        process::signal_group(pid, Signal::SIGKILL);
                        return;
                    }
                    tracing::warn!(child = plan.name, %error, "Cannot tell the old generation to finish; it is ended.");
                    process::signal(pid, plan.stop.graceful);
                }
            }
        }
    }

    /// Frees what belongs to a child that never comes back.
    pub(super) fn forget(&mut self, id: ChildId) {
        let plan = &mut self.plans[id];
        plan.sockets.list.clear();
        plan.env = Vec::new();
        plan.args = Vec::new();
        if self.supervisor.children[id].orphans_of.is_some() {
            return;
        }
        if let Err(error) = files::remove(&plan.folder) {
            tracing::warn!(child = plan.name, %error, "Cannot remove the files of an old generation.");
        }
        if let Some(parent) = plan.folder.parent() {
            // It holds the other part's files until that has gone too.
            let _: std::io::Result<()> = std::fs::remove_dir(parent);
        }
    }
}

/// A named pipe that nobody reads gives an error instead of a wait (fifo(7)). Its folder is the workers' user's, so what
/// stands there may be anything: only a pipe is written to, and no link is followed.
fn write_to_fifo(fifo: &Path, text: &str) -> std::io::Result<()> {
    let mut pipe = std::fs::OpenOptions::new()
        .write(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits())
        .open(fifo)?;
    if !pipe.metadata()?.file_type().is_fifo() {
        return Err(std::io::Error::other("it is not a named pipe"));
    }
    pipe.write_all(text.as_bytes())
}
