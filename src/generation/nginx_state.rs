//! Whether the next generation needs another nginx: not when nginx would read the same as it did.

use std::path::PathBuf;

use crate::exit::Failure;
use crate::plan::Plan;
use crate::plan::layout::Layout;
use crate::render;

/// What nginx was started with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NginxState {
    layout: Layout,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl NginxState {
    /// That of a plan.
    pub(super) fn of(plan: &Plan) -> Result<Self, Failure> {
        Ok(Self {
            layout: plan.layout.clone(),
            files: files(plan)?,
        })
    }

    /// That of the next plan; none when the present nginx can stay.
    pub(super) fn next(&self, plan: &Plan) -> Result<Option<Self>, Failure> {
        let in_place = Plan {
            layout: self.layout.clone(),
            ..plan.clone()
        };
        if files(&in_place)? == self.files {
            return Ok(None);
        }
        Self::of(plan).map(Some)
    }
}

/// Everything that nginx reads: rendered files, and the service's snippets with what is in them.
fn files(plan: &Plan) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    let rendered = render::render(plan)?
        .into_iter()
        .filter(|file| file.path.starts_with("nginx"));
    let mut all: Vec<(PathBuf, Vec<u8>)> = rendered
        .map(|file| (file.path, file.text.into_bytes()))
        .collect();
    for snippet in plan.http_snippets.iter().chain(&plan.server_snippets) {
        all.push((snippet.clone(), std::fs::read(snippet).unwrap_or_default()));
    }
    Ok(all)
}
