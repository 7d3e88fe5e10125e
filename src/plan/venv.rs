//! The virtual environment that uWSGI is told about, and what is wrong with it.

use crate::config::problem::Findings;
use crate::host::Host;
use crate::host::programs::{Python, Uwsgi};
use crate::host::venv::{Venv, VenvOrigin};

/// The virtual environment for uWSGI's configuration; none when uWSGI itself is installed in it and needs no option for
/// it. It must be made for the Python version of uWSGI.
pub(super) fn plan(host: &Host, findings: &mut Findings) -> Option<Venv> {
    let venv = host.folder.venv.clone()?;
    if let (Some(denied), Some(user)) = (&host.folder.venv_denied, &host.worker_user) {
        findings.problem(
            place(&venv),
            format!(
                "the workers run as {} and cannot use the packages of {}: {} {}",
                user.name,
                venv.path.display(),
                user.name,
                denied.what()
            ),
            format!("{}, or set nginx_config.user", denied.hint()),
        );
    }
    if !venv.runs {
        findings.warning(
            place(&venv),
            format!(
                "the workers cannot run {}: programs that the application starts with sys.executable do not find its packages",
                venv.path.join("bin/python3").display()
            ),
            "make the virtual environment in the image in which it is used, with a Python that everybody may run",
        );
    }
    let uwsgi = host.uwsgi.as_ref()?;
    if uwsgi.path.starts_with(&venv.path) {
        return None;
    }
    check_version(&venv, uwsgi, findings);
    Some(venv)
}

fn check_version(venv: &Venv, uwsgi: &Uwsgi, findings: &mut Findings) {
    let (python, whose) = match (&uwsgi.python, &uwsgi.built_in) {
        (Python::Plugin(version), _) => (version, "uWSGI's plugin"),
        (Python::BuiltIn, Some(version)) => (version, "uWSGI"),
        (Python::BuiltIn | Python::Missing, _) => return,
    };
    if !venv.python.is_empty() && venv.python != *python {
        findings.problem(
            place(venv),
            format!(
                "{} is made for Python {}, {whose} is Python {python}",
                venv.path.display(),
                venv.python
            ),
            format!(
                "install uWSGI into it: {}/bin/pip install pyuwsgi",
                venv.path.display()
            ),
        );
    }
}

/// The variable that leads to it, as the place of a finding.
fn place(venv: &Venv) -> &'static str {
    match venv.origin {
        VenvOrigin::Service => "",
        VenvOrigin::Path => "$PATH",
        VenvOrigin::Variable => "$VIRTUAL_ENV",
    }
}

/// Where it was found, for people.
pub(super) fn origin(venv: &Venv) -> &'static str {
    match venv.origin {
        VenvOrigin::Service => "in the service's folder",
        VenvOrigin::Path => "the first python3 in PATH belongs to it",
        VenvOrigin::Variable => "VIRTUAL_ENV names it",
    }
}
