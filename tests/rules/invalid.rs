//! tests/invalid: what a wrong configuration is told, word by word.
//!
//! A case with a host.json is planned too: some things are wrong only on some hosts.

use crate::case::{self, nothing};

#[test]
fn problems_are_as_pinned() {
    let mut broken = Vec::new();
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
        case.compare("problems.txt", &format!("{findings}\n"), &mut broken);
    }
    nothing(&broken);
}
