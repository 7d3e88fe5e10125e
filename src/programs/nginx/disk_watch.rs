//! Watches the disk space that nginx uses for the responses of slow clients, and tells the workers when it is full.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::disk_fill::{DiskFill, ResponseLimits};
use crate::plan::Plan;
use crate::plan::disk_buffer::DiskBuffer;
use crate::queue::RequestQueue;
use crate::sys::files::{self, Owner};
use crate::sys::{family, open_files, runtime};

/// Interval between two looks while the application has requests, or the disk fills.
const INTERVAL: Duration = Duration::from_millis(100);
/// The same while nothing happens.
const QUIET_INTERVAL: Duration = Duration::from_secs(3);
/// A disk whose free space changes by less than this from one look to the next does not fill: others write a log or two.
const CHANGE: u64 = 1 << 20;
/// The folder of nginx's files for responses, as nginx.conf has it (`proxy_temp_path`).
const PLACE: &str = "/nginx/temp/proxy/";

/// The watch, shared by the task and those who change its limits.
#[derive(Clone, Debug)]
pub(crate) struct DiskWatch {
    runtime: PathBuf,
    /// While this file exists, the workers refuse large responses.
    flag: PathBuf,
    /// Its name otherwise: a full disk may have no room for a new file, but it is enough to rename one.
    unset: PathBuf,
    /// The user of nginx's workers.
    user: Option<Owner>,
    limits: Rc<Cell<ResponseLimits>>,
}

impl DiskWatch {
    pub(crate) fn new(plan: &Plan, user: Option<Owner>) -> Self {
        Self {
            runtime: plan.layout.runtime.clone(),
            flag: plan.layout.disk_full(),
            unset: plan.layout.disk_not_full(),
            user,
            limits: Rc::new(Cell::new(limits(&plan.disk))),
        }
    }

    /// Changes the limits to those of another plan.
    pub(crate) fn set_limits(&self, disk: &DiskBuffer) {
        self.limits.set(limits(disk));
    }

    /// Watches until the task is aborted. `queue`: the requests that produce the responses.
    pub(crate) async fn run(self, queue: RequestQueue) {
        let (started, mut fill, mut told) = (Instant::now(), DiskFill::default(), false);
        let prepared =
            files::remove(&self.flag).and_then(|()| files::write(&self.unset, "", 0o644));
        if let Err(error) = prepared {
            tracing::warn!(%error, "Cannot prepare for a full disk: large responses may be cut then.");
        }
        let (mut before, mut fills) = (0_u64, true);
        loop {
            if queue.is_quiet() && !fills && !fill.is_full() {
                tokio::select! {
                    // The interval between two looks.
                    () = tokio::time::sleep(runtime::until_step(Instant::now(), QUIET_INTERVAL)) => {}
                    () = queue.until_busy() => {}
                }
            } else {
                // The interval between two looks.
                tokio::time::sleep(INTERVAL).await;
            }
            // A file system that does not tell its free space has no limit that could be kept.
            let Ok(free) = files::free_space(&self.runtime) else {
                continue;
            };
            fills = before.abs_diff(free) > CHANGE;
            before = free;
            let (was_full, limits) = (fill.is_full(), self.limits.get());
            if fill.look(free, limits, started.elapsed()) {
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
                fill.measured(measured.unwrap_or(0), free, limits, started.elapsed());
            }
            if fill.is_full() != was_full {
                self.tell(&fill, free);
            }
        }
    }

    fn measure(&self) -> std::io::Result<u64> {
        open_files::unnamed_bytes(&family::children_named("nginx"), PLACE, self.user)
    }

    fn set(&self) -> std::io::Result<()> {
        match std::fs::rename(&self.unset, &self.flag) {
            // There was no room for it at the start; perhaps there is now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::File::create(&self.flag).map(drop)
            }
            done => done,
        }
    }

    fn tell(&self, fill: &DiskFill, free: u64) {
        let told = if fill.is_scarce() {
            tracing::warn!(
                free_bytes = free,
                hint = "disk full: free space where the runtime folder is (--runtime-dir)",
                "The disk is full: large responses are refused until it has room (disk_full)."
            );
            self.set()
        } else if fill.is_full() {
            tracing::warn!(
                bytes = self.limits.get().all,
                hint =
                    "raise disk_buffer_size, or give the runtime folder more space (--runtime-dir)",
                "Slow clients have filled the disk buffer for responses: until they have taken theirs, large responses are refused (disk_full)."
            );
            self.set()
        } else {
            tracing::info!("The disk buffer for responses has room again.");
            std::fs::rename(&self.flag, &self.unset)
        };
        if let Err(error) = told {
            tracing::warn!(%error, "Cannot tell the workers of the application whether the disk buffer is full.");
        }
    }
}

fn limits(disk: &DiskBuffer) -> ResponseLimits {
    if disk.response == 0 {
        // None goes to disk.
        return ResponseLimits {
            all: u64::MAX,
            reserve: 0,
        };
    }
    ResponseLimits {
        all: disk.responses,
        // For one that is being produced.
        reserve: disk.response.min(disk.responses),
    }
}
