//! The loop's part of the watch over children that serve.
#![forbid(unsafe_code)]

use std::rc::Rc;

use nix::sys::signal::Signal as Kernel;
use nix::unistd::Pid;

use super::child::Role;
use super::runner::{News, Runner, tell_loop};
use super::state::{ChildId, Event, State};
use super::watch::{self, Finding};
use crate::health::probe::Probe;
use crate::sys::process;

impl Runner {
    /// Watches a child that serves.
    pub(super) fn watch(&mut self, id: ChildId, pid: Pid) {
        let child = &self.supervisor.children[id];
        if child.state.pid() != Some(pid) || !matches!(child.state, State::Running { .. }) {
            return;
        }
        let plan = self.plans[id].clone();
        let proxy = Rc::clone(&self.proxy_status);
        let news = self.news();
        let task = tokio::task::spawn_local(async move {
            watch::watch(&plan, pid, &proxy, |finding| {
                let news = news.clone();
                async move { tell_loop(&news, News::Watched(id, pid, finding)).await }
            })
            .await;
        });
        self.set_task(id, task.abort_handle());
    }

    /// A reload may bring another proxy, or give up the one that it brought.
    pub(super) fn note_proxy(&self) {
        let serving = self.supervisor.serving(|child| child.role == Role::Proxy);
        let socket = serving.and_then(|id| match &self.plans[id].probe {
            Probe::Http { socket } => Some(socket),
            Probe::Uwsgi { .. } => None,
        });
        let mut noted = self.proxy_status.borrow_mut();
        if noted.as_ref() != socket {
            *noted = socket.cloned();
        }
    }

    pub(super) fn watched(&mut self, id: ChildId, pid: Pid, finding: &Finding) {
        watch::tell(&self.plans[id], finding);
        match finding {
            Finding::Hung { .. } => self.handle(Event::Hung(id, pid)),
            Finding::Overdue(late) => {
                self.kill_worker(late.pid);
            }
            Finding::OpenedAtImport { .. } => {}
        }
    }

    /// Kills a worker, if it is one: its number comes from the statistics, which the workers' user could forge.
    pub(super) fn kill_worker(&self, worker: Pid) -> bool {
        let masters = self
            .supervisor
            .children
            .iter()
            .filter_map(|child| child.state.pid());
        let known = masters
            .into_iter()
            .any(|master| process::is_child_of(worker, master));
        if known {
            process::signal(worker, Kernel::SIGKILL);
        }
        known
    }
}
