//! `check`: every problem, or the plan. Nothing is left behind.

use std::path::Path;

use super::context::{self, Context};
use super::{complain, nginx_test, print};
use crate::cli::ServiceOptions;
use crate::exit::Failure;
use crate::plan::explain;
use crate::plan::layout::Layout;
use crate::render::{self, Rendered};
use crate::sys::files::{self, WriteError};

/// Reads, validates, plans, renders and has nginx test the result.
pub fn check(options: &ServiceOptions) -> Result<(), Failure> {
    let mut context = context::load(options)?;
    let host = context.host();
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
        let files = render::render(&plan)?;
        write(&plan.layout.folder(), &files)?;
        nginx_test::refused(&plan)?
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
pub fn tell(context: &Context, nginx_words: Option<&str>) {
    for finding in &context.findings.list {
        complain(&format!("{}\n", context.findings.show(finding)));
    }
    if let Some(words) = nginx_words {
        let words = words.replace('\n', "\n  ");
        complain(&format!(
            "problem: nginx does not accept the configuration\n  {words}\n  hint: the file that nginx names is a snippet of \
             the service, or rendered (microservice-flask render)\n"
        ));
    }
}

/// Writes rendered files below a folder that nobody else needs to read.
pub fn write(folder: &Path, rendered: &[Rendered]) -> Result<(), WriteError> {
    for file in rendered {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            files::create_folder(parent, 0o755, None)?;
        }
        files::write(&path, &file.text, 0o644)?;
    }
    Ok(())
}
