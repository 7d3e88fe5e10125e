//! The sandbox of the plan as rules for a child.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::plan::Plan;
use crate::sys::sandbox::{SandboxRules, Writable};

/// What the application may do.
pub(super) fn of_application(plan: &Plan) -> SandboxRules {
    let layout = &plan.layout;
    let mut own = vec![layout.uwsgi()];
    if plan.sandbox.own_home {
        own.push(layout.home());
    }
    rules(plan, own, &plan.sandbox.application)
}

/// What nginx may do.
pub(super) fn of_nginx(plan: &Plan) -> SandboxRules {
    rules(plan, vec![plan.layout.nginx()], &plan.sandbox.nginx)
}

fn rules(plan: &Plan, own: Vec<PathBuf>, others: &[PathBuf]) -> SandboxRules {
    let sandbox = &plan.sandbox;
    SandboxRules {
        writable: sandbox.landlock.is_on().then(|| Writable {
            own,
            others: others.to_vec(),
        }),
        refuses_calls: sandbox.seccomp.is_on(),
        refuses_typing: false,
    }
}

/// Names the folders that the application may write, one a line, for uwsgi/microservice_flask_permissions.py.
const VARIABLE: &str = "MICROSERVICE_WRITABLE";

/// The variable of the application's environment for its hints; empty when it may write everywhere.
pub(super) fn variable(plan: &Plan) -> (OsString, OsString) {
    let writable = of_application(plan).writable.unwrap_or_default();
    let paths = writable.own.into_iter().chain(writable.others);
    let lines: Vec<OsString> = paths.map(OsString::from).collect();
    (VARIABLE.into(), lines.join(OsStr::new("\n")))
}
