//! `check`: prints every problem, or the plan. It writes only into a temporary folder, which it removes.

use super::{context, findings, nginx_test};
use crate::cli::ServiceOptions;
use crate::console::print;
use crate::exit::Failure;
use crate::plan::explain;
use crate::plan::layout::Layout;
use crate::render;
use crate::sys::files;

/// Loads, validates, plans and renders as `run` does, then runs `nginx -t` on the result.
pub fn check(options: &ServiceOptions) -> Result<(), Failure> {
    let mut context = context::load(options)?;
    let machine = context.machine();
    let folder = tempfile::tempdir().map_err(Failure::system("make a temporary folder"))?;
    let layout = Layout {
        canary: false,
        runtime: folder.path().to_owned(),
        generation: 1,
    };
    let plan = context.plan(&machine, layout, context::listen(options));
    let objections = if context.findings.has_problems() {
        None
    } else {
        for file in render::render(&plan)? {
            files::write_below(&plan.layout.folder(), &file.path, &file.text)?;
        }
        nginx_test::refused(&plan)?
    };
    findings::print(&context.findings);
    if let Some(objections) = &objections {
        findings::print_nginx_objections(objections);
    }
    context.fail_on_problems()?;
    if objections.is_some() {
        return Err(Failure::NginxRefuses);
    }
    print(&explain::text(&explain::explain(
        &plan,
        &context.config,
        &machine,
    )))
}
