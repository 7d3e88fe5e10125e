//! `check`: prints every problem, or the plan. It writes only into a temporary folder, which it removes.

use super::findings;
use crate::cli::ServiceOptions;
use crate::console::print;
use crate::context;
use crate::exit::Failure;
use crate::plan::explain;
use crate::plan::layout::Layout;
use crate::programs::nginx::config_test;
use crate::render;
use crate::sys::files;
use crate::sys::runtime;
use crate::sys::short_programs::ShortPrograms;

/// Loads, validates, plans and renders as `run` does, then runs `nginx -t` on the result.
pub(super) fn check(options: &ServiceOptions) -> Result<(), Failure> {
    runtime::block_on(check_service(options))?
}

async fn check_service(options: &ServiceOptions) -> Result<(), Failure> {
    let programs = ShortPrograms::alone();
    let mut context = context::load(options)?;
    let host = context.host(&programs).await;
    let folder = tempfile::tempdir().map_err(Failure::system("make a temporary folder"))?;
    let layout = Layout {
        canary: false,
        runtime: folder.path().to_owned(),
        generation: 1,
    };
    let plan = context.plan(&host, layout, context::listen(options));
    let objections = if context.findings.has_problems() {
        None
    } else {
        for file in render::render(&plan)? {
            files::write_below(&plan.layout.folder(), &file.path, &file.text)?;
        }
        files::create_folder(&plan.layout.nginx().join("temp"), 0o755, None)?;
        config_test::objections(&plan, &programs).await?
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
        &host,
    )))
}
