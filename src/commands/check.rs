//! `check`: every problem, or the plan. Nothing is left behind.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::context::{self, Context};
use super::{complain, print};
use crate::cli::ServiceOptions;
use crate::exit::Failure;
use crate::plan::Plan;
use crate::plan::explain;
use crate::plan::layout::Layout;
use crate::render::{self, Rendered};
use crate::sys::files::{self, WriteError};

/// Reads, validates, plans, renders and has nginx test the result.
pub fn check(options: &ServiceOptions) -> Result<(), Failure> {
    let mut context = context::load(options)?;
    let machine = context.machine();
    let folder = tempfile::tempdir().map_err(|source| Failure::System {
        what: "make a temporary folder",
        source,
    })?;
    let layout = Layout {
        canary: false,
        runtime: folder.path().to_owned(),
        generation: 1,
    };
    let plan = context.plan(&machine, layout, context::listen(options));
    let nginx_words = if context.findings.has_problems() {
        None
    } else {
        let files = render::render(&plan)?;
        write(&plan.layout.folder(), &files)?;
        refused_by_nginx(&plan)?
    };
    tell(&context, nginx_words.as_deref());
    context.insist()?;
    if nginx_words.is_some() {
        return Err(Failure::NginxRefuses);
    }
    print(&explain::text(&explain::explain(
        &plan,
        &context.config,
        &machine,
    )))
}

/// Everything that was found, on stderr.
pub fn tell(context: &Context, nginx_words: Option<&str>) {
    for finding in &context.findings.list {
        complain(&format!("{}\n", context.findings.show(finding)));
    }
    if let Some(words) = nginx_words {
        complain(&format!(
            "problem: nginx does not accept the configuration\n{words}  hint: the file that nginx names is a snippet of \
             the service, or rendered (microservice-flask render)\n"
        ));
    }
}

/// Writes rendered files below a folder that nobody else needs to read.
pub fn write(folder: &Path, rendered: &[Rendered]) -> Result<(), WriteError> {
    for file in rendered {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            files::folder(parent, 0o755, None)?;
        }
        files::write(&path, &file.text, 0o644)?;
    }
    Ok(())
}

/// What `nginx -t` says against the files of a plan; none when it takes them or is not installed.
pub fn refused_by_nginx(plan: &Plan) -> Result<Option<String>, Failure> {
    let Some(nginx) = &plan.nginx else {
        return Ok(None);
    };
    files::folder(&plan.layout.nginx().join("temp"), 0o755, None)?;
    let output = Command::new(&nginx.path)
        .args(["-t", "-q", "-e", "stderr", "-p"])
        .arg(plan.layout.nginx())
        .arg("-c")
        .arg(plan.layout.nginx_conf())
        .stdin(Stdio::null())
        .output()
        .map_err(|source| crate::sys::process::SpawnError {
            program: nginx.path.clone(),
            source,
        })?;
    if output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let mut words = String::new();
    for line in text.lines().filter(|line| !line.ends_with("test failed")) {
        let _ = writeln!(words, "  {line}");
    }
    Ok(Some(words))
}
