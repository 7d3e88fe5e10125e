//! What the process that reads Python stacks says: it reads the memory of the application, which may write anything there.

use microservice_flask::internals::bytes;

pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = bytes::stacks(data) {
        assert!(text.ends_with('\n'));
    }
    let Ok((summary, lines)) = bytes::profile(data) else {
        return;
    };
    assert!(summary.ends_with('\n'));
    for line in lines {
        // The form that flame graphs are made of: calls, and a number behind the last space.
        let (calls, millis) = line.rsplit_once(' ').expect("a number");
        assert!(millis.parse::<u64>().expect("a number") > 0);
        assert!(!calls.is_empty() && !line.contains('\n'));
        assert!(calls.split(';').all(|call| call.ends_with(')')), "{line}");
    }
}
