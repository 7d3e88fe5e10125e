//! A generation of configuration and code, as a reload starts it, and the trait that makes it.

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
    /// Reads, validates, plans and writes a generation. Programs that it needs for this are run through `programs`, so
    /// that the loop reaps them and no program blocks it.
    fn make(&self, generation: u32, programs: ShortPrograms) -> Answer<'_, Result<Made, NotMade>>;

    /// What it does at the moment, as text for operators.
    fn step(&self) -> &'static str;

    /// Called when the generation that was made last has been committed.
    fn committed(&self);
}

/// A generation that can be started.
pub(crate) struct Made {
    /// Started first; the others follow when it is ready.
    pub(crate) canary: Option<ChildPlan>,
    /// Each replaces the serving child of the same role.
    pub(crate) children: Vec<ChildPlan>,
    /// How long the start may take; the canary and the others have this long each.
    pub(crate) start_timeout: Duration,
    /// How long a stop may take once the generation serves.
    pub(crate) stop_timeout: Duration,
    pub(crate) settings: Settings,
}

/// Settings that take effect when a generation is committed.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The generation in a status report.
    pub(crate) info: GenerationInfo,
    pub(crate) log: LogOptions,
    /// Its folders, removed if it is never started.
    pub(crate) folders: Vec<PathBuf>,
}
