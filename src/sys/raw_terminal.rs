//! The terminal of `top`: each key is read at once and not echoed, on a screen of its own that leaves what was there before
//! as it was (termios(3), console_codes(4)).
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Mutex;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{
    SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr, tcsetattr,
};
use nix::unistd::{Pid, getpgrp, read, tcgetpgrp};

use super::readable::until_readable;

/// The other screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
/// No colours, the last line (for terminals that have no other screen), the cursor, the screen from before.
const LEAVE: &str = "\x1b[0m\x1b[999;1H\r\n\x1b[?25h\x1b[?1049l";

/// How the terminal was before, while it is changed. For the whole process: a panic has no other way to it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Changes the terminal on stdin and stdout, if that has not been done.
pub(crate) fn enter() -> io::Result<()> {
    let Ok(mut before) = BEFORE.lock() else {
        return Ok(());
    };
    if before.is_none() {
        *before = Some(tcgetattr(io::stdin())?);
    }
    if let Some(mode) = &*before {
        let mut raw = mode.clone();
        cfmakeraw(&mut raw);
        // read(2) waits for nothing: whether there is something, the event loop knows.
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(io::stdin(), SetArg::TCSANOW, &raw)?;
    }
    let mut out = io::stdout().lock();
    out.write_all(ENTER.as_bytes())?;
    out.flush()
}

/// Gives the terminal back as it was, if it is changed.
pub(crate) fn leave() {
    // What a background job writes would stand in what others show, and changing the mode would stop it (SIGTTOU).
    if !is_foreground() {
        return;
    }
    // Whoever holds it writes no picture, and a panic must not wait for itself.
    let Ok(mut before) = BEFORE.try_lock() else {
        return;
    };
    let Some(mode) = before.take() else {
        return;
    };
    let mut out = io::stdout().lock();
    // A terminal that has gone needs nothing.
    let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
    // The same.
    let _: nix::Result<()> = tcsetattr(io::stdin(), SetArg::TCSANOW, &mode);
}

/// Whether the terminal is this process's to use: not when the shell runs it in the background.
pub(crate) fn is_foreground() -> bool {
    // A terminal that is not the controlling one has no foreground.
    tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

/// From now on a panic gives the terminal back before its message is written.
pub(crate) fn leave_at_a_panic() {
    let message = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        leave();
        message(panic);
    }));
}

/// Stops this process and those that were started together with it, as Ctrl-Z does, until the shell continues them.
pub(crate) fn stop() -> io::Result<()> {
    Ok(kill(Pid::from_raw(0), Signal::SIGTSTP)?)
}

/// The next bytes that are typed, on the terminal as [`enter`] makes it. None: the terminal has gone. Cancel safe.
pub(crate) async fn typed() -> io::Result<Option<Vec<u8>>> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    loop {
        until_readable(&stdin).await?;
        let mut bytes = [0; 256];
        match read(&stdin, &mut bytes) {
            Ok(0) if has_gone(&stdin)? => return Ok(None),
            // Somebody else has read them.
            Ok(0) | Err(nix::Error::EINTR) => {}
            Ok(count) => return Ok(Some(bytes[..count].to_vec())),
            Err(nix::Error::EIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn has_gone(terminal: &OwnedFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO)?;
    let events = polled[0].revents().unwrap_or(PollFlags::empty());
    Ok(events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL))
}
