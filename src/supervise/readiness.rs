//! Whether a started child is ready, and what it lacks until then.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::child::ChildPlan;
use super::runner::{News, Runner, tell_loop};
use super::state::ChildId;
use crate::health::probe::{self, NotYet};

/// What a child lacks for so long is worth a line of the log.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// What children lack that are not ready, in words.
pub(super) type Lacking = BTreeMap<ChildId, String>;

impl Runner {
    /// Asks a child that was started until it is ready.
    pub(super) fn ask_until_ready(&mut self, id: ChildId, pid: Pid) {
        self.lacking.remove(&id);
        let (plan, news) = (self.plans[id].clone(), self.news());
        let task = tokio::task::spawn_local(async move {
            until_ready(&plan, async |why| {
                tell_loop(&news, News::NotYet(id, pid, why)).await;
            })
            .await;
            tell_loop(&news, News::Ready(id, pid)).await;
        });
        self.set_task(id, task.abort_handle());
    }

    /// Keeps what a child lacks, for the status and for the last words.
    pub(super) fn not_yet(&mut self, id: ChildId, pid: Pid, why: String) {
        if self.supervisor.children[id].state.pid() == Some(pid) {
            self.lacking.insert(id, why);
        }
    }

    /// `: ` and what a child lacks; nothing when it lacks nothing that is known.
    pub(super) fn because(&self, id: ChildId) -> String {
        let why = self.lacking.get(&id).map(|why| format!(": {why}"));
        why.unwrap_or_default()
    }
}

/// Asks until the child is ready. `tell` is awaited for each new reason why it is not.
async fn until_ready(plan: &ChildPlan, tell: impl AsyncFn(String)) {
    let mut lacking = String::new();
    let mut since = Instant::now();
    let mut logged = false;
    while let Err(NotYet { why, pause }) = probe::ask(&plan.probe).await {
        if why != lacking {
            tell(why.clone()).await;
            (lacking, since, logged) = (why, Instant::now(), false);
        } else if !logged && since.elapsed() >= WORTH_TELLING {
            tracing::info!(child = plan.name, why = lacking, "Not ready yet.");
            logged = true;
        }
        tokio::time::sleep(pause).await;
    }
}
