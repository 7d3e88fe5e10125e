//! The control socket of a launcher.

use std::os::unix::net::UnixListener;

use crate::context::Context;
use crate::plan::layout;
use crate::sys::removal;
use crate::sys::sockets::{self, BindError};

/// Listen backlog of the socket.
const BACKLOG: u32 = 16;

/// Binds it. A failure is only a warning: the service works without it, but not `status`, `reload` and the like.
pub(super) fn bind(context: &Context) -> Result<UnixListener, BindError> {
    let path = layout::control_socket(&context.runtime);
    if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        // Where it cannot be moved, the error of the bind says what is in the way.
        drop(removal::move_aside(&path));
    }
    sockets::unix(&path, BACKLOG, 0o600, None)
}
