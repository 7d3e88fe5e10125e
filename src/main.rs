//! Calls the library and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    microservice_flask::main()
}
