//! Values for the template uwsgi/uwsgi.ini, each quoted for its context.

use std::path::Path;

use askama::Template;

use super::quote::{self, Unquotable};
use crate::host::programs::Version;
use crate::plan::Plan;
use crate::plan::uwsgi_options;

/// The first uWSGI with `py-call-uwsgi-fork-hooks`; with an unknown option an older one would not start (`strict`).
const FORK_HOOKS_SINCE: Version = Version(2, 0, 21);

#[derive(Template)]
#[template(path = "uwsgi/uwsgi.ini", config = "src/render/askama.toml")]
pub(super) struct UwsgiIni {
    name: String,
    plugin: bool,
    venv: Option<String>,
    processes: u32,
    threads: u32,
    fork_hooks: bool,
    procname: String,
    folder: String,
    queue_places: u32,
    stats: String,
    fifo: String,
    options: Vec<(String, String)>,
}

impl UwsgiIni {
    pub(super) fn new(plan: &Plan) -> Result<Self, Unquotable> {
        let path = |path: &Path| quote::uwsgi(&path.display().to_string());
        let name = sanitize_name(&plan.name);
        Ok(Self {
            plugin: plan.names_python_plugin(),
            venv: plan
                .venv
                .as_ref()
                .map(|venv| path(&venv.path))
                .transpose()?,
            processes: plan.processes,
            threads: plan.threads,
            // Mules would crash: uWSGI calls Python in them without its lock then (uwsgi_mule in core/mule.c).
            fork_hooks: !uwsgi_options::have_mules(&plan.uwsgi_options)
                && plan
                    .uwsgi
                    .as_ref()
                    .is_none_or(|uwsgi| uwsgi.version >= FORK_HOOKS_SINCE),
            procname: name.clone(),
            name,
            folder: path(&plan.layout.uwsgi())?,
            queue_places: plan.queue_places,
            stats: path(&plan.layout.uwsgi_stats())?,
            fifo: path(&plan.layout.uwsgi_fifo())?,
            options: plan
                .uwsgi_options
                .iter()
                .map(|(name, value)| {
                    quote::uwsgi_value(value.trim()).map(|value| (name.clone(), value))
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The service's name for process titles and comments: only `[A-Za-z0-9._-]`, other characters become dashes.
fn sanitize_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                c
            } else {
                '-'
            }
        })
        .collect()
}
