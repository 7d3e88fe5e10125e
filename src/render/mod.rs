//! Renders the plan to the files of nginx and uWSGI, as text. Nothing is written to disk here.
//!
//! The templates are nginx/nginx.conf and uwsgi/uwsgi.ini at the top of the repository; `nginx` and `uwsgi` supply their
//! values, [`quote`] prevents a value from changing the structure of a file.
#![forbid(unsafe_code)]

mod nginx;
pub mod quote;
mod uwsgi;

use std::path::PathBuf;

use askama::Template as _;

use self::quote::Unquotable;
use crate::plan::Plan;

macro_rules! module {
    ($name:literal) => {
        (
            concat!("uwsgi/", $name),
            include_str!(concat!("../../uwsgi/", $name)),
        )
    };
}

/// The Python modules that uWSGI imports, as they are.
const MODULES: [(&str, &str); 18] = [
    module!("microservice_flask_entry.py"),
    module!("microservice_flask_environ.py"),
    module!("microservice_flask_identity.py"),
    module!("microservice_flask_answer.py"),
    module!("microservice_flask_headers.py"),
    module!("microservice_flask_records.py"),
    module!("microservice_flask_deadline.py"),
    module!("microservice_flask_websocket.py"),
    module!("microservice_flask_graceful.py"),
    module!("microservice_flask_signals.py"),
    module!("microservice_flask_forks.py"),
    module!("microservice_flask_leaving.py"),
    module!("microservice_flask_imported.py"),
    module!("microservice_flask_check.py"),
    module!("microservice_flask_streams.py"),
    module!("microservice_flask_interpreter.py"),
    module!("microservice_flask_permissions.py"),
    module!("microservice_flask_readable.py"),
];

/// A rendered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Relative to the folder of the generation.
    pub path: PathBuf,
    /// The complete content.
    pub text: String,
}

/// Why the plan cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A value cannot be represented in its file.
    #[error(transparent)]
    Unquotable(#[from] Unquotable),
    /// A template failed, which is a bug.
    #[error("cannot render a template: {0}")]
    Template(#[from] askama::Error),
}

/// Renders all files of a generation.
pub fn render(plan: &Plan) -> Result<Vec<Rendered>, RenderError> {
    let file = |path: &str, text: String| Rendered {
        path: PathBuf::from(path),
        text,
    };
    let mut files = vec![
        file("nginx/nginx.conf", nginx::NginxConf::new(plan).render()?),
        file("nginx/proxy.conf", nginx::ProxyConf::new(plan).render()?),
        file(
            "nginx/mime.types",
            include_str!("../../nginx/mime.types").to_owned(),
        ),
        file("uwsgi/uwsgi.ini", uwsgi::UwsgiIni::new(plan)?.render()?),
    ];
    files.extend(MODULES.map(|(path, text)| file(path, text.to_owned())));
    Ok(files)
}
