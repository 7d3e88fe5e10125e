//! Describes the sandbox of nginx and the application.

use super::Plan;
use super::sandbox::Protection;

pub(super) fn writing(plan: &Plan) -> (String, String) {
    let sandbox = &plan.sandbox;
    match &sandbox.landlock {
        on @ (Protection::On(_) | Protection::OnBut(..)) => {
            let folders: Vec<String> = sandbox
                .application
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            (
                format!("only {}, and folders of the launcher", folders.join(", ")),
                format!(
                    "the application can write nowhere else, whatever the modes of files allow (landlock, writable); the sandbox for files is {on}"
                ),
            )
        }
        off @ Protection::Off(_) => (
            "wherever the modes of files allow it".to_owned(),
            format!("the sandbox for files is {off}"),
        ),
    }
}

pub(super) fn calls(plan: &Plan) -> (String, String) {
    match &plan.sandbox.seccomp {
        Protection::On(_) | Protection::OnBut(..) => (
            "all but those that no service needs".to_owned(),
            "ptrace, mount, bpf and the like are refused to nginx and the application (seccomp)"
                .to_owned(),
        ),
        off @ Protection::Off(_) => (
            "all that the system allows".to_owned(),
            format!("the filter is {off}"),
        ),
    }
}
