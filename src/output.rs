//! What commands print: results to stdout, problems to stderr. The log of a service goes another way ([`crate::logs`]).
#![forbid(unsafe_code)]

use std::io::Write as _;

use crate::exit::Failure;

/// Prints to stdout. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::System {
            what: "write to stdout",
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints to stderr. When that fails there is no place left to tell.
pub(crate) fn print_error(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}
