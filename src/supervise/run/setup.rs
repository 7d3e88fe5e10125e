//! What the loop begins with.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::status::GenerationInfo;
use crate::supervise::child::ChildPlan;
use crate::supervise::generation::GenerationMaker;

/// The first generation, and what the loop needs for later ones.
pub(crate) struct Setup {
    /// The children, in the order of starting.
    pub(crate) children: Vec<ChildPlan>,
    pub(crate) info: GenerationInfo,
    /// How long the start may take.
    pub(crate) start_timeout: Duration,
    /// How long a graceful stop may take.
    pub(crate) stop_timeout: Duration,
    /// When the launcher started.
    pub(crate) started: Instant,
    /// Makes the generations of reloads.
    pub(crate) maker: Rc<dyn GenerationMaker>,
}
