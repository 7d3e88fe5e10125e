//! `read-stacks`: the process that the launcher starts as the workers' user, to read their Python stacks.

use std::time::Duration;

use serde::Serialize;

use crate::cli::ReadStacksArgs;
use crate::console::print;
use crate::exit::Failure;
use crate::stacks::{self, StackTarget};

/// Prints JSON for the launcher ([`crate::stacks::ask`]).
pub(super) fn read_stacks(args: &ReadStacksArgs) -> Result<(), Failure> {
    let targets: Result<Vec<StackTarget>, String> =
        args.workers.iter().map(|word| word.parse()).collect();
    let targets = targets.map_err(Failure::Negative)?;
    stacks::step_back();
    match args.millis {
        Some(millis) => {
            let length = Duration::from_millis(millis.into());
            print_json(&stacks::profile(&targets, length))
        }
        None => print_json(&stacks::stacks(&targets)),
    }
}

fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Bug(error.to_string()))?;
    print(&text)
}
