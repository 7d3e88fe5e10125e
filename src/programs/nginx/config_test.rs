//! Whether nginx accepts its configuration: `nginx -t`.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::plan::Plan;
use crate::programs::sandbox;
use crate::sys::process::SpawnError;
use crate::sys::reap::Exit;
use crate::sys::short_programs::{Finished, RunError, ShortProgram, ShortPrograms};

/// nginx tests its files in milliseconds, unless it waits for a name server, or for ever because a snippet includes a
/// named pipe.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The errors that `nginx -t` prints, one per line; none when it accepts the files or is not installed. The files of
/// the plan, and nginx's folder for temporary files, must exist.
pub(crate) async fn objections(
    plan: &Plan,
    programs: &ShortPrograms,
) -> Result<Option<String>, SpawnError> {
    let Some(nginx) = &plan.nginx else {
        return Ok(None);
    };
    let test = ShortProgram {
        program: &nginx.path,
        args: &arguments(plan),
        env: Some(Vec::new()),
        cwd: None,
        user: None,
        // It opens what nginx opens.
        sandbox: sandbox::of_nginx(plan),
        timeout: TIMEOUT,
    };
    match programs.run(test).await {
        Ok(Finished { exit, output }) => {
            let mut objections = relevant(&output);
            if plan.sandbox.landlock.is_on() && objections.contains("(13: Permission denied)") {
                objections.push_str(
                    "\nIf owner and mode allow it: the sandbox lets nginx write only what nginx_config.writable names",
                );
            }
            Ok((exit != Exit::Code(0)).then_some(objections))
        }
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

/// The messages of `nginx -t` without the line that says that the test has failed.
fn relevant(output: &str) -> String {
    let lines = output.lines().filter(|line| !line.ends_with("test failed"));
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}
