//! The control socket in development, by which `healthcheck` and `status` find the launcher.

use std::cell::Cell;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Instant;

use nix::unistd::Pid;

use super::control_socket;
use crate::context::Context;
use crate::control::development::DevelopmentSite;
use crate::exit::Failure;
use crate::generation::runtime_folder::{self, Claimed};
use crate::host::user::User;
use crate::http::server;

/// The socket and what is answered there.
pub(super) struct DevControl {
    site: Rc<DevelopmentSite>,
    socket: Option<(UnixListener, Claimed)>,
    /// Why there is no socket.
    missing: Option<Failure>,
}

/// Takes the runtime folder and binds the socket. Development works without: several services may run side by side.
pub(super) fn prepare(
    context: &Context,
    user: Option<&User>,
    address: Option<SocketAddr>,
    started: Instant,
) -> DevControl {
    let bound = runtime_folder::claim_for_development(context, user).and_then(|claimed| {
        let listener = control_socket::bind(context)?;
        Ok((listener, claimed))
    });
    let (socket, missing) = match bound {
        Ok(bound) => (Some(bound), None),
        Err(why) => (None, Some(why)),
    };
    let site = DevelopmentSite {
        name: context.service.name.clone(),
        config_file: context.config.file.clone(),
        address,
        started,
        started_at: jiff::Timestamp::now().to_string(),
        flask: Cell::new(None),
        is_stopping: Cell::new(false),
    };
    DevControl {
        site: Rc::new(site),
        socket,
        missing,
    }
}

impl DevControl {
    /// Why there is no socket, as text for operators.
    pub(super) fn warning(&self) -> Option<String> {
        let why = self.missing.as_ref()?;
        Some(format!(
            "no control socket, so that healthcheck and status do not find this launcher: {why}"
        ))
    }

    /// Answers from now on, in a task. Needs a `LocalSet`. The runtime folder is held until the second value is dropped.
    pub(super) fn start(self, flask: Pid) -> (Rc<DevelopmentSite>, Option<Claimed>) {
        let site = self.site;
        site.flask.set(Some(flask));
        let Some((listener, claimed)) = self.socket else {
            return (site, None);
        };
        // Without the event loop's help nobody can be answered; flask runs all the same.
        if let Ok(listener) = tokio::net::UnixListener::from_std(listener) {
            let answering = Rc::clone(&site);
            tokio::task::spawn_local(server::serve(listener, move |request| {
                let (site, request) = (Rc::clone(&answering), request.into_parts().0);
                async move { site.answer(&request).await }
            }));
        }
        (site, Some(claimed))
    }
}
