//! `render`: the files that `run` would use.

use std::fmt::Write as _;
use std::path::Path;

use super::check;
use crate::cli::ServiceOptions;
use crate::context;
use crate::exit::Failure;
use crate::generation::files;
use crate::output::{print, print_error};
use crate::render;
use crate::sys::runtime;
use crate::sys::short_programs::ShortPrograms;

/// Writes the files below a folder, or prints them.
pub(super) fn render(options: &ServiceOptions, out: Option<&Path>) -> Result<(), Failure> {
    let mut context = context::load(options)?;
    let host = runtime::block_on(context.host(&ShortPrograms::alone()))?;
    let layout = context.layout(1);
    let plan = context.plan(&host, layout, context::listen(options));
    check::tell(&context, None);
    context.insist()?;
    let rendered = render::render(&plan)?;
    if let Some(folder) = out {
        files::write_rendered(folder, &rendered).map_err(Failure::WriteOut)?;
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
