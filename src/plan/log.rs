//! What the log is asked to be: which requests it tells of, and what it does when nobody reads it.

use std::time::Duration;

use serde::Serialize;

use crate::config::Config;
use crate::config::log::{AccessLog, OnFull};

/// A request is slow from here on when it may take as long as it likes.
const SLOW_WITHOUT_LIMIT: Duration = Duration::from_secs(5);

/// The log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Which requests are in it.
    pub access: Access,
    /// What happens when the buffer is full.
    pub on_full: OnFull,
    /// Bytes that are kept while stdout takes none.
    pub buffer: u64,
}

/// Which requests are in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Access {
    /// Every one.
    All,
    /// Those that failed, and slow ones.
    Errors {
        /// From this duration on.
        slow: Duration,
    },
    /// None.
    Off,
}

/// The log for what is asked. A request is slow when it has used half of its time: it may just so have been in time
/// today.
pub fn log(config: &Config) -> Log {
    let slow = if config.request_timeout.is_zero() {
        SLOW_WITHOUT_LIMIT
    } else {
        config.request_timeout / 2
    };
    Log {
        access: match config.log.access {
            AccessLog::All => Access::All,
            AccessLog::Errors => Access::Errors { slow },
            AccessLog::Off => Access::Off,
        },
        on_full: config.log.on_full,
        buffer: config.log.buffer.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Access) {
        let (config, findings) = crate::config::load(None, Some(text));
        assert!(findings.list.is_empty(), "{findings}");
        assert_eq!(log(&config).access, expected);
    }

    #[test]
    fn slow_is_half_of_what_a_request_may_take() {
        let errors = |slow| Access::Errors {
            slow: Duration::from_millis(slow),
        };
        check("{}", Access::All);
        check(r#"{"log_config": {"access": "off"}}"#, Access::Off);
        check(r#"{"log_config": {"access": "errors"}}"#, errors(30_000));
        check(
            r#"{"log_config": {"access": "errors"}, "nginx_config": {"request_timeout": 3}}"#,
            errors(1500),
        );
        check(
            r#"{"log_config": {"access": "errors"}, "nginx_config": {"request_timeout": 0}}"#,
            errors(5000),
        );
    }
}
