//! `check`: every problem, or the plan. Nothing is left behind.

use crate::cli::ServiceOptions;
use crate::context::{self, Context};
use crate::exit::Failure;
use crate::generation::files;
use crate::output::{print, print_error};
use crate::plan::explain;
use crate::plan::layout::Layout;
use crate::programs::nginx::config_test;
use crate::render;
use crate::sys;
use crate::sys::runtime;
use crate::sys::short_programs::ShortPrograms;

/// Reads, validates, plans, renders and has nginx test the result.
pub(super) fn check(options: &ServiceOptions) -> Result<(), Failure> {
    runtime::block_on(check_here(options))?
}

async fn check_here(options: &ServiceOptions) -> Result<(), Failure> {
    let programs = ShortPrograms::alone();
    let mut context = context::load(options)?;
    let host = context.host(&programs).await;
    let folder = tempfile::tempdir().map_err(|source| Failure::System {
        what: "make a temporary folder",
        source,
    })?;
    let layout = Layout {
        canary: false,
        runtime: folder.path().to_owned(),
        generation: 1,
    };
    let plan = context.plan(&host, layout, context::listen(options));
    let nginx_words = if context.findings.has_problems() {
        None
    } else {
        let rendered = render::render(&plan)?;
        files::write_rendered(&plan.layout.folder(), &rendered)?;
        sys::files::create_folder(&plan.layout.nginx().join("temp"), 0o755, None)?;
        config_test::objections(&plan, &programs).await?
    };
    tell(&context, nginx_words.as_deref());
    context.insist()?;
    if nginx_words.is_some() {
        return Err(Failure::NginxRefuses);
    }
    print(&explain::text(&explain::explain(
        &plan,
        &context.config,
        &host,
    )))
}

/// Everything that was found, on stderr.
pub(super) fn tell(context: &Context, nginx_words: Option<&str>) {
    for finding in &context.findings.list {
        print_error(&format!("{}\n", context.findings.show(finding)));
    }
    if let Some(words) = nginx_words {
        let words = words.replace('\n', "\n  ");
        print_error(&format!(
            "problem: nginx does not accept the configuration\n  {words}\n  hint: the file that nginx names is a snippet of \
             the service, or rendered (microservice-flask render)\n"
        ));
    }
}
