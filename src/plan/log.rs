//! What the log is asked to be: which requests it tells of, and what it does when nobody reads it.

use std::time::Duration;

use crate::config::Config;
use crate::config::log::AccessLog;
use crate::logs::options::{AccessFilter, LogOptions};

/// A request is slow from here on when it may take as long as it likes.
const SLOW_WITHOUT_LIMIT: Duration = Duration::from_secs(5);

/// The log for what is asked. A request is slow when it has used half of its time: it may just so have been in time
/// today.
pub fn log(config: &Config) -> LogOptions {
    let slow = if config.request_timeout.is_zero() {
        SLOW_WITHOUT_LIMIT
    } else {
        config.request_timeout / 2
    };
    LogOptions {
        access: match config.log.access {
            AccessLog::All => AccessFilter::All,
            AccessLog::Errors => AccessFilter::Errors { slow },
            AccessLog::Off => AccessFilter::Off,
        },
        on_full: config.log.on_full,
        buffer: config.log.buffer.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: AccessFilter) {
        let (config, findings) = crate::config::load(None, Some(text));
        assert!(findings.list.is_empty(), "{findings}");
        assert_eq!(log(&config).access, expected);
    }

    #[test]
    fn slow_is_half_of_what_a_request_may_take() {
        let errors = |slow| AccessFilter::Errors {
            slow: Duration::from_millis(slow),
        };
        check("{}", AccessFilter::All);
        check(r#"{"log_config": {"access": "off"}}"#, AccessFilter::Off);
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
