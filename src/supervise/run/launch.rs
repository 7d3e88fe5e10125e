//! Starts the process of a child with its sockets, log pipes and environment.

use std::os::fd::{AsFd as _, AsRawFd as _};

use nix::unistd::Pid;

use crate::logs::Logs;
use crate::supervise::child::ChildPlan;
use crate::sys::file_user;
use crate::sys::process::{self, Spawn, SpawnError};
use crate::sys::sandbox::Sandbox;

pub(super) fn launch(plan: &ChildPlan, logs: &Logs) -> Result<Pid, SpawnError> {
    for file in &plan.run_files {
        if let Err(error) = file_user::remove_as_owner(file) {
            tracing::warn!(child = plan.name, %error, "Cannot remove a file of an earlier run.");
        }
    }
    let mut env = plan.env.clone();
    let mut inherit = Vec::new();
    let mut numbers = String::new();
    for socket in &plan.sockets.list {
        numbers.push_str(&socket.as_raw_fd().to_string());
        numbers.push_str(plan.sockets.separator);
        inherit.push(socket.as_fd());
    }
    env.push((plan.sockets.variable.into(), numbers.into()));
    for (variable, source) in &plan.log_pipes {
        let pipe = logs.pipe(*source);
        env.push(((*variable).into(), pipe.as_raw_fd().to_string().into()));
        inherit.push(pipe);
    }
    if let Some(variable) = plan.log_nonce {
        env.push((variable.into(), logs.nonce().into()));
    }
    let sandbox = Sandbox::prepare(&plan.sandbox).map_err(|source| SpawnError {
        program: plan.executable.clone(),
        source,
    })?;
    process::spawn(Spawn {
        program: &plan.executable,
        args: &plan.args,
        env: Some(env),
        cwd: Some(&plan.cwd),
        output: Some((logs.pipe(plan.stdout), logs.pipe(plan.stderr))),
        inherit,
        user: plan.user.as_ref(),
        batch: plan.batch,
        no_new_privs: true,
        death_signal: plan.death_signal,
        sandbox: Some(sandbox),
    })
}
