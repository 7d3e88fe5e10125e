//! Memory and CPU in a status report.

use serde::{Deserialize, Serialize};

/// The control group of the launcher: what the container may use and has used. None: the kernel does not tell, or there is
/// no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResourceStatus {
    /// What may be used.
    pub(crate) memory_limit_bytes: Option<u64>,
    /// What is used now, files in the page cache included.
    pub(crate) memory_usage_bytes: Option<u64>,
    /// The part of it that cannot be taken back without loss: without files that were not used lately.
    #[serde(default)]
    pub(crate) memory_working_set_bytes: Option<u64>,
    /// Processes that the kernel has killed for memory since the launcher started.
    pub(crate) oom_kills: u64,
    /// For how long processes have had to wait since the launcher started, because the group had used up its CPU time.
    pub(crate) cpu_throttled_seconds: Option<f64>,
    /// The launcher itself.
    pub(crate) launcher: ProcessFigures,
}

/// What a process uses. None: the kernel does not tell, or has not been asked yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcessFigures {
    /// Seconds since it was started.
    pub(crate) age_seconds: Option<f64>,
    /// CPU time, in user and in kernel mode.
    pub(crate) cpu_seconds: Option<f64>,
    /// The share of one CPU since the sample before, 0 to 1 and more.
    pub(crate) cpu_share: Option<f64>,
    /// Memory that is present, what it shares with others included (resident set size).
    #[serde(default)]
    pub(crate) rss_bytes: Option<u64>,
    /// Memory, what it shares with others by halves, thirds and so on (proportional set size). Asked for less often than the
    /// others: the kernel looks at every page.
    pub(crate) pss_bytes: Option<u64>,
    /// Open file descriptors.
    pub(crate) descriptors: Option<u64>,
    pub(crate) threads: Option<u64>,
}
