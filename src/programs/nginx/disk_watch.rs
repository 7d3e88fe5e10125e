//! Watches the disk space that nginx uses for the responses of slow clients, and tells the workers when it is full.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::disk_fill::DiskFill;
use crate::plan::Plan;
use crate::sys::files::{self, Owner};
use crate::sys::{open_files, process};

/// Interval between two looks.
const INTERVAL: Duration = Duration::from_millis(100);
/// The folder of nginx's files for responses, as nginx.conf has it (`proxy_temp_path`).
const PLACE: &str = "/nginx/temp/proxy/";

/// The watch, shared by the task and those who change its limit.
#[derive(Clone, Debug)]
pub(crate) struct DiskWatch {
    runtime: PathBuf,
    /// While this file exists, the workers refuse large responses.
    flag: PathBuf,
    /// The user of nginx's workers.
    user: Option<Owner>,
    /// Bytes of all responses from which on it is full.
    limit: Rc<Cell<u64>>,
}

impl DiskWatch {
    pub(crate) fn new(plan: &Plan, user: Option<Owner>) -> Self {
        Self {
            runtime: plan.layout.runtime.clone(),
            flag: plan.layout.disk_full(),
            user,
            limit: Rc::new(Cell::new(plan.disk.responses)),
        }
    }

    /// Changes the bytes from which on it is full.
    pub(crate) fn set_limit(&self, bytes: u64) {
        self.limit.set(bytes);
    }

    /// Watches until the task is aborted.
    pub(crate) async fn run(self) {
        let (started, mut fill, mut told) = (Instant::now(), DiskFill::default(), false);
        if let Err(error) = files::remove(&self.flag) {
            tracing::warn!(%error, "Cannot remove a file of an earlier run: large responses are refused.");
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            // A file system that does not tell its free space has no limit that could be kept.
            let Ok(free) = files::free_space(&self.runtime) else {
                continue;
            };
            let (was_full, limit) = (fill.is_full(), self.limit.get());
            if fill.look(free, limit, started.elapsed()) {
                let measured = self.measure();
                if let Err(error) = &measured
                    && !std::mem::replace(&mut told, true)
                {
                    tracing::warn!(
                        %error,
                        hint = "disk_buffer_size is not kept for responses: the launcher needs to look at the open files of nginx (/proc)",
                        "Cannot measure what nginx keeps on disk for slow clients."
                    );
                }
                fill.measured(measured.unwrap_or(0), free, limit, started.elapsed());
            }
            if fill.is_full() != was_full {
                self.tell(fill.is_full(), limit);
            }
        }
    }

    fn measure(&self) -> std::io::Result<u64> {
        open_files::unnamed_bytes(&process::children_named("nginx"), PLACE, self.user)
    }

    fn tell(&self, is_full: bool, limit: u64) {
        let told = if is_full {
            tracing::warn!(
                bytes = limit,
                hint = "disk_buffer_size is half of the free space of the runtime folder unless it is set",
                "Slow clients have filled the disk buffer for responses: until they have taken theirs, large responses are refused (disk_full)."
            );
            files::write(&self.flag, "", 0o644)
        } else {
            tracing::info!("The disk buffer for responses has room again.");
            files::remove(&self.flag)
        };
        if let Err(error) = told {
            tracing::warn!(%error, "Cannot tell the workers of the application whether the disk buffer is full.");
        }
    }
}
