//! `restart-worker`: ends one worker of the application; uWSGI replaces it.

use hyper::Method;

use super::harmless;
use super::launcher::Launcher;
use super::launcher::TIMEOUT;
use crate::console::print;
use crate::exit::Failure;

/// `id` is the worker's number in `status`.
pub(crate) fn restart_worker(launcher: &Launcher, id: u32) -> Result<(), Failure> {
    let path = format!("/workers/{id}/restart");
    let (status, body) = launcher.ask(&Method::POST, &path, TIMEOUT)?;
    let text = harmless::lines(&String::from_utf8_lossy(&body));
    if status.is_success() {
        print(&text)
    } else {
        Err(Failure::Negative(text.trim_end().to_owned()))
    }
}
