//! `render`: writes or prints the nginx and uWSGI files that `run` would use.

use std::fmt::Write as _;
use std::path::Path;

use super::findings;
use crate::cli::ServiceOptions;
use crate::console::{print, print_error};
use crate::context;
use crate::exit::Failure;
use crate::render;
use crate::sys::folders;
use crate::sys::runtime;
use crate::sys::short_programs::ShortPrograms;

/// Writes the files below `out`, or prints them to stdout.
pub(super) fn render(options: &ServiceOptions, out: Option<&Path>) -> Result<(), Failure> {
    let mut context = context::load(options)?;
    context.require_mode();
    let host = runtime::block_on(context.host(&ShortPrograms::alone()))??;
    let layout = context.layout(1);
    let plan = context.plan(&host, layout, context::listen(options));
    findings::print(&context.findings);
    context.fail_on_problems()?;
    let rendered = render::render(&plan)?;
    if let Some(folder) = out {
        for file in &rendered {
            folders::write_below(folder, &file.path, &file.text).map_err(Failure::WriteOut)?;
        }
        for file in &rendered {
            print_error(&format!("{}\n", folder.join(&file.path).display()));
        }
        Ok(())
    } else {
        let mut text = String::new();
        for file in &rendered {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# ==> {} <==\n{}", file.path.display(), file.text);
        }
        print(&text)
    }
}
