//! What nginx itself says against its files (`nginx -t`): before the start, or beside the children for a reload.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::exit::Failure;
use crate::host::programs::Nginx;
use crate::plan::Plan;
use crate::supervise::helper::Helpers;
use crate::sys::files;
use crate::sys::process::{Spawn, SpawnError};

/// nginx tests its files in milliseconds, unless it waits for a name server, or for ever: a snippet may include a named
/// pipe.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// Its objections, a line each; none when it takes the files or is not installed. Nothing of ours may be running: this
/// waits for a child by itself.
pub fn refused(plan: &Plan) -> Result<Option<String>, Failure> {
    let Some(nginx) = &plan.nginx else {
        return Ok(None);
    };
    files::create_folder(&plan.layout.nginx().join("temp"), 0o755, None)?;
    let failed = |source| spawn_error(nginx, source);
    let mut child = Command::new(&nginx.path)
        .args(arguments(plan))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let end = Instant::now() + PATIENCE;
    while child.try_wait().map_err(failed)?.is_none() {
        if Instant::now() >= end {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            return Ok(Some(too_long()));
        }
        std::thread::sleep(PAUSE);
    }
    let output = child.wait_with_output().map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok((!output.status.success()).then(|| objections(&said)))
}

/// The same beside the children, for whom alone the loop waits.
pub async fn refused_beside(plan: &Plan, helpers: &Helpers) -> Result<Option<String>, Failure> {
    let Some(nginx) = &plan.nginx else {
        return Ok(None);
    };
    let folder = plan.layout.nginx();
    let words = folder.join("test.log");
    let out = File::create(&words).map_err(|source| spawn_error(nginx, source))?;
    let spawn = Spawn {
        program: &nginx.path,
        args: &arguments(plan),
        env: Vec::new(),
        cwd: &folder,
        output: Some((out.as_fd(), out.as_fd())),
        inherit: Vec::new(),
        user: None,
        batch: false,
        death_signal: Signal::SIGKILL,
    };
    let Some(exit) = helpers.run(spawn, PATIENCE).await? else {
        return Ok(Some(too_long()));
    };
    let said = std::fs::read_to_string(&words).unwrap_or_default();
    Ok((exit.code() != 0).then(|| objections(&said)))
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
    .map(|word| word.as_os_str().to_owned())
}

/// What it said, without the line that says that it said something.
fn objections(said: &str) -> String {
    let lines = said.lines().filter(|line| !line.ends_with("test failed"));
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}

fn too_long() -> String {
    format!(
        "nginx -t did not end within {} s: does a snippet include something that never answers?",
        PATIENCE.as_secs()
    )
}

fn spawn_error(nginx: &Nginx, source: io::Error) -> Failure {
    Failure::Spawn(SpawnError {
        program: nginx.path.clone(),
        source,
    })
}
