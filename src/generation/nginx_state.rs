//! Whether the next generation needs a new nginx: only when a file that nginx reads or its sandbox has changed.

use std::path::PathBuf;

use crate::exit::Failure;
use crate::host::snippets;
use crate::plan::Plan;
use crate::plan::layout::Layout;
use crate::render;

/// What an nginx was started with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NginxState {
    layout: Layout,
    files: Vec<(PathBuf, Vec<u8>)>,
    /// What it may write beside its own folder; none: all. A running process cannot be let out, nor into another one.
    writable: Option<Vec<PathBuf>>,
    refuses_calls: bool,
}

impl NginxState {
    /// The state of an nginx that is started with a plan.
    pub(super) fn of(plan: &Plan) -> Result<Self, Failure> {
        Ok(Self {
            layout: plan.layout.clone(),
            files: files(plan)?,
            writable: writable(plan),
            refuses_calls: plan.sandbox.seccomp.is_on(),
        })
    }

    /// The state for the next plan; none when the running nginx can be kept.
    pub(super) fn next(&self, plan: &Plan) -> Result<Option<Self>, Failure> {
        let in_place = Plan {
            layout: self.layout.clone(),
            ..plan.clone()
        };
        let state = Self::of(&in_place)?;
        if state == *self {
            return Ok(None);
        }
        Self::of(plan).map(Some)
    }
}

fn writable(plan: &Plan) -> Option<Vec<PathBuf>> {
    let sandbox = &plan.sandbox;
    sandbox.landlock.is_on().then(|| sandbox.nginx.clone())
}

/// Path and content of every file that nginx reads: rendered files and the service's snippets.
fn files(plan: &Plan) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    let rendered = render::render(plan)?
        .into_iter()
        .filter(|file| file.path.starts_with("nginx"));
    let mut all: Vec<(PathBuf, Vec<u8>)> = rendered
        .map(|file| (file.path, file.text.into_bytes()))
        .collect();
    for snippet in plan.http_snippets.iter().chain(&plan.server_snippets) {
        all.push((snippet.clone(), snippets::read(snippet).unwrap_or_default()));
    }
    Ok(all)
}
