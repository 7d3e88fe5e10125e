//! Whether nginx accepts its configuration: `nginx -t`.

use std::ffi::OsString;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use super::child::SOCKETS;
use crate::host::user::User;
use crate::plan::Plan;
use crate::programs::sandbox;
use crate::sys::process::SpawnError;
use crate::sys::reap::Exit;
use crate::sys::short_programs::{Finished, MAX_OUTPUT, RunError, ShortProgram, ShortPrograms};

/// nginx tests its files in milliseconds, unless it waits for a name server, or for ever because a snippet includes a
/// named pipe.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The errors that `nginx -t` prints, one per line; none when it accepts the files or is not installed. The files of
/// the plan, and nginx's folder for temporary files, must exist. `clients`: the sockets for clients, where they are bound
/// already.
pub(crate) async fn objections(
    plan: &Plan,
    clients: &[BorrowedFd<'_>],
    programs: &ShortPrograms,
) -> Result<Option<String>, SpawnError> {
    let Some(nginx) = &plan.nginx else {
        return Ok(None);
    };
    let user = plan.nginx_user.as_ref().map(User::credentials);
    let numbers: Vec<String> = clients
        .iter()
        .map(|socket| format!("{};", socket.as_raw_fd()))
        .collect();
    let test = ShortProgram {
        program: &nginx.path,
        args: &arguments(plan),
        env: Some(vec![(SOCKETS.into(), numbers.concat().into())]),
        cwd: None,
        inherit: clients.to_vec(),
        user: user.as_ref(),
        // It opens what nginx opens.
        sandbox: sandbox::of_nginx(plan),
        timeout: TIMEOUT,
        max_output: MAX_OUTPUT,
    };
    match programs.run(test).await {
        Ok(Finished {
            exit: Exit::Code(0),
            ..
        }) => Ok(None),
        Ok(Finished { exit, output }) => Ok(judge(exit, &output, plan)),
        Err(RunError::Spawn(error)) => Err(error),
        Err(RunError::TimedOut { limit, .. }) => Ok(Some(format!(
            "nginx -t did not end within {} s: does a snippet include something that never answers?",
            limit.as_secs()
        ))),
    }
}

fn arguments(plan: &Plan) -> [OsString; 8] {
    let (folder, config) = (plan.layout.nginx(), plan.layout.nginx_conf());
    [
        Path::new("-t"),
        Path::new("-q"),
        Path::new("-e"),
        Path::new("stderr"),
        Path::new("-p"),
        &folder,
        Path::new("-c"),
        &config,
    ]
    .map(|argument| argument.as_os_str().to_owned())
}

/// The messages of an `nginx -t` that has failed, without the line that says so. None when it has only no permission for
/// an address, which the launcher binds: nginx tries that last, when it has accepted everything else.
fn judge(exit: Exit, output: &str, plan: &Plan) -> Option<String> {
    let is_bound_by_launcher = |line: &&str| {
        let denied = |address| format!("bind() to {address} failed (13: Permission denied)");
        plan.listen.iter().any(|at| line.ends_with(&denied(at)))
    };
    let lines = output.lines().map(str::trim);
    let (denied, objections): (Vec<&str>, Vec<&str>) = lines
        .filter(|line| !line.ends_with("test failed") && !line.contains("[notice]"))
        .partition(is_bound_by_launcher);
    match (objections.is_empty(), denied.is_empty()) {
        (false, _) => {
            let mut text = objections.join("\n");
            if plan.sandbox.landlock.is_on() && text.contains("(13: Permission denied)") {
                text.push_str("\nIf owner and mode allow it: the sandbox lets nginx write only what nginx_config.writable names");
            }
            Some(text)
        }
        (true, true) => Some(format!("nginx -t ended with {exit} and said nothing")),
        (true, false) => None,
    }
}
