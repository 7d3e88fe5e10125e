//! `restart-worker`: ends one worker of the application; uWSGI replaces it.

use hyper::Method;

use super::granted::granted;
use super::harmless;
use super::launcher::Launcher;
use super::launcher::TIMEOUT;
use crate::console::print;
use crate::exit::Failure;

/// `id` is the worker's number in `status`.
pub(crate) fn restart_worker(launcher: &Launcher, id: u32) -> Result<(), Failure> {
    let path = format!("/workers/{id}/restart");
    let body = granted(launcher.ask(&Method::POST, &path, TIMEOUT)?)?;
    print(&harmless::lines(&String::from_utf8_lossy(&body)))
}
