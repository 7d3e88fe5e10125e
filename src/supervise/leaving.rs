//! The loop's part of a child's leaving: its clients are sent away, its door is closed, its files are removed.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::Pid;

use super::child::{Orphans, Retire, Role};
use super::runner::{LAST_ENTRY, News, Runner, tell_loop};
use super::state::{ChildId, Phase, State};
use super::watch;
use crate::sys::files;
use crate::sys::filter;
use crate::sys::process;

impl Runner {
    /// What is left of a crashed proxy still serves; its clients are sent to the new one as at a stop. The new one, which
    /// tests the same file, closes its connections after each answer meanwhile, too: that is harmless.
    pub(super) fn send_orphans_clients_away(&mut self, id: ChildId, group: Pid) {
        let Some((file, wait)) = self.plans[id].stop.drain.clone() else {
            self.finish_orphans(id, group);
            return;
        };
        if let Err(error) = files::write(&file, "", 0o644) {
            tracing::debug!(%error, "Clients of the orphans may be reset.");
        }
        let news = self.news_sender.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(wait).await;
            tell_loop(&news, News::Orphaned(id, group)).await;
        });
    }

    /// Asks the orphans to finish.
    pub(super) fn finish_orphans(&mut self, id: ChildId, group: Pid) {
        let plan = &self.plans[id];
        if let Orphans::Finish(signal) = plan.orphans {
            process::signal_group(group, signal);
        }
        let serves = matches!(self.supervisor.children[id].state, State::Running { .. });
        if let (Some((file, _)), true) = (&plan.stop.drain, serves)
            && let Err(error) = files::remove(file)
        {
            tracing::warn!(child = plan.name, %error, "Cannot end the draining: connections are closed after each answer.");
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
        let Some(pid) = self.supervisor.children[id].state.pid() else {
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
        let plan = &mut self.plans[id];
        let last = matches!(self.supervisor.phase, Phase::Stopping { .. });
        if !(last && plan.role == Role::Proxy) || plan.sockets.list.is_empty() {
            process::signal(pid, plan.stop.graceful);
            return;
        }
        for socket in plan.sockets.list.drain(..) {
            if let Err(error) = filter::refuse_new_connections(&socket) {
                tracing::debug!(%error, "Clients that connect in this very moment may be reset.");
            }
        }
        let news = self.news_sender.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAST_ENTRY).await;
            tell_loop(&news, News::DoorClosed(id, pid)).await;
        });
    }

    pub(super) fn door_closed(&self, id: ChildId, pid: Pid) {
        if self.supervisor.children[id].state.pid() == Some(pid) {
            process::signal(pid, self.plans[id].stop.graceful);
        }
    }

    pub(super) fn retire(&self, id: ChildId, pid: Pid) {
        let plan = &self.plans[id];
        match &plan.stop.retire {
            Retire::Stop => process::signal(pid, plan.stop.graceful),
            Retire::Command(fifo, text) => {
                if let Err(error) = write_to_fifo(fifo, text) {
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
