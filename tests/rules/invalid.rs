//! tests/invalid: the complete error messages for invalid configurations.
//!
//! A case with a machine.json is planned too, for problems that depend on the host.

use crate::case::{self, assert_none};

#[test]
fn problems_are_as_expected() {
    let mut differences = Vec::new();
    for case in case::cases("invalid") {
        let (config, mut findings) = case.load();
        if let Some(host) = &case.host {
            case.plan(&config, host, &mut findings);
        }
        assert!(
            !findings.list.is_empty(),
            "{}: nothing was found",
            case.name()
        );
        case.compare("problems.txt", &format!("{findings}\n"), &mut differences);
    }
    assert_none(&differences);
}
