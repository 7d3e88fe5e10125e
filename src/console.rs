//! How the commands print: results to stdout, messages to stderr. The log of `run` is not printed here but by `logs`.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Write as _};

use crate::exit::Failure;

/// Prints to stdout. A closed pipe is success: its reader (`| head`) needs no more.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::system("write to stdout")(source))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints to stderr. Errors are dropped, because there is no other place to report them.
pub(crate) fn print_error(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}
