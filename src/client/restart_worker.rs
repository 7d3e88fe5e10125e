//! `restart-worker`: ends one worker of the application.

use hyper::Method;

use super::control_socket::{self, TIMEOUT};
use crate::cli::ServiceOptions;
use crate::exit::Failure;
use crate::output::print;

/// Ends one worker of the application.
pub(crate) fn restart_worker(options: &ServiceOptions, id: u32) -> Result<(), Failure> {
    let path = format!("/workers/{id}/restart");
    let (status, body) = control_socket::ask(options, &Method::POST, &path, TIMEOUT)?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        print(&text)
    } else {
        Err(Failure::Negative(text.trim_end().to_owned()))
    }
}
