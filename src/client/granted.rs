//! What a launcher has answered: a refusal is a failure of the command, and so is an answer that cannot be read.

use bytes::Bytes;
use hyper::StatusCode;
use serde::de::DeserializeOwned;

use super::harmless;
use crate::exit::Failure;

/// The body of a success; else what the launcher says is the failure.
pub(super) fn granted((status, body): (StatusCode, Bytes)) -> Result<Bytes, Failure> {
    if status.is_success() {
        return Ok(body);
    }
    let text = harmless::lines(&String::from_utf8_lossy(&body));
    Err(Failure::Negative(text.trim_end().to_owned()))
}

/// The value that an answer is; its texts are harmless.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    harmless::parse(body).map_err(unreadable)
}

/// The answer as JSON.
pub(super) fn json(body: &[u8]) -> Result<String, Failure> {
    harmless::json(body).map_err(unreadable)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is passed to map_err, which gives it away"
)]
fn unreadable(error: serde_json::Error) -> Failure {
    Failure::Bug(format!("cannot read the answer of the launcher: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_launchers_words() {
        let answer =
            |status, body: &'static str| granted((status, Bytes::from_static(body.as_bytes())));
        assert_eq!(answer(StatusCode::OK, "1\n").unwrap(), "1\n");
        let refused = answer(StatusCode::CONFLICT, "worker 3 \x1b[31m is dead\n").unwrap_err();
        assert_eq!(refused.to_string(), "worker 3 \\x1b[31m is dead");
        assert_eq!(refused.code(), 1);
        assert_eq!(read::<u8>(b"{").unwrap_err().code(), 70);
    }
}
