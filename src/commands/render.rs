//! `render`: the files that `run` would use.

use std::fmt::Write as _;
use std::path::Path;

use super::{check, complain, context, print};
use crate::cli::ServiceOptions;
use crate::exit::Failure;
use crate::plan::layout::Layout;
use crate::render;

/// Writes the files below a folder, or prints them.
pub fn render(options: &ServiceOptions, out: Option<&Path>) -> Result<(), Failure> {
    let mut context = context::load(options)?;
    let host = context.host();
    let layout = Layout {
        canary: false,
        runtime: context.runtime.clone(),
        generation: 1,
    };
    let plan = context.plan(&host, layout, context::listen(options));
    check::tell(&context, None);
    context.insist()?;
    let files = render::render(&plan)?;
    if let Some(folder) = out {
        check::write(folder, &files).map_err(Failure::WriteOut)?;
        for file in &files {
            complain(&format!("{}\n", folder.join(&file.path).display()));
        }
        Ok(())
    } else {
        let mut text = String::new();
        for file in &files {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# ==> {} <==\n{}", file.path.display(), file.text);
        }
        print(&text)
    }
}
