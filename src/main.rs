//! The binary: runs the library, which decides the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    microservice_flask::main()
}
