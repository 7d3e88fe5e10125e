//! A generation of configuration and code: what a reload starts, and who makes it.

use std::path::PathBuf;
use std::time::Duration;

use super::child::ChildPlan;
use super::machine::outcome::NotMade;
use super::program::Answer;
use crate::logs::LogOptions;
use crate::status::GenerationInfo;
use crate::sys::short_programs::ShortPrograms;

/// Makes generations. One is made at a time.
pub(crate) trait GenerationMaker {
    /// Reads, validates, plans and writes a generation. Programs that it has to ask run beside the children.
    fn make(&self, generation: u32, programs: ShortPrograms) -> Answer<'_, Result<Made, NotMade>>;

    /// The generation that was made last serves now.
    fn committed(&self);
}

/// A generation that can be started.
pub(crate) struct Made {
    /// Tried before the others are started.
    pub(crate) canary: Option<ChildPlan>,
    /// Each replaces the serving child of the same role.
    pub(crate) children: Vec<ChildPlan>,
    /// How long their start may take.
    pub(crate) start_timeout: Duration,
    /// How long a stop may take once they serve.
    pub(crate) stop_timeout: Duration,
    pub(crate) settings: Settings,
}

/// What becomes valid when a generation serves, beside its children.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What the status shows of it.
    pub(crate) info: GenerationInfo,
    pub(crate) log: LogOptions,
    /// Its folders, removed when it is not even started.
    pub(crate) folders: Vec<PathBuf>,
}
