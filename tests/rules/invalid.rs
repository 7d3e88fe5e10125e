//! tests/invalid: what a wrong configuration is told, word by word.
//!
//! A case with a machine.json is planned too: some things are wrong only on some machines.

use crate::case::{self, nothing};

#[test]
fn problems_are_as_pinned() {
    let mut broken = Vec::new();
    for case in case::cases("invalid") {
        let (config, mut findings) = case.load();
        if let Some(machine) = &case.machine {
            case.plan(&config, machine, &mut findings);
        }
        assert!(
            !findings.list.is_empty(),
            "{}: nothing was found",
            case.name()
        );
        case.compare("problems.txt", &format!("{findings}\n"), &mut broken);
    }
    nothing(&broken);
}
