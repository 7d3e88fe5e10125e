//! Valid and invalid values of each type.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::durations::{DurationValue, NonZeroDuration};

#[track_caller]
fn check<T: FromJson + std::fmt::Debug + PartialEq>(value: &Value, expected: Result<T, &str>) {
    match (T::from_json(value), expected) {
        (Ok(got), Ok(want)) => assert_eq!(got, want),
        (Err(error), Err(part)) => assert!(error[0].what.contains(part), "{error:?}"),
        (got, want) => panic!("{value}: got {got:?}, want {want:?}"),
    }
}

#[test]
fn counts() {
    check(&json!(17), Ok(Count::<1, 1024>(17)));
    check(&json!("17"), Ok(Count::<1, 1024>(17)));
    check::<Count<1, 1024>>(&json!(0), Err("out of range"));
    check::<Count<1, 1024>>(&json!(-3), Err("out of range"));
    check::<Count<1, 1024>>(&json!(1.5), Err("expected a whole number, got 1.5"));
    check::<Count<1, 1024>>(&json!("many"), Err("the text \"many\""));
    check::<Count<1, 1024>>(&json!([1]), Err("the list [1]"));
}

#[test]
fn durations() {
    check(&json!(30), Ok(DurationValue(Duration::from_secs(30))));
    check(&json!(0.5), Ok(DurationValue(Duration::from_millis(500))));
    check(
        &json!("500ms"),
        Ok(DurationValue(Duration::from_millis(500))),
    );
    check(&json!(" 30 s "), Ok(DurationValue(Duration::from_secs(30))));
    check(&json!("2m"), Ok(DurationValue(Duration::from_secs(120))));
    check(&json!("7"), Ok(DurationValue(Duration::from_secs(7))));
    check::<DurationValue>(&json!(-1), Err("out of range"));
    check::<DurationValue>(&json!("2 days"), Err("expected a duration"));
    check::<DurationValue>(&json!("inf"), Err("expected a duration"));
    check::<DurationValue>(&json!(1e300), Err("out of range"));
    check::<DurationValue>(&json!(0.0001), Err("out of range"));
    check(&json!(0), Ok(DurationValue(Duration::ZERO)));
    check::<NonZeroDuration>(&json!(0), Err("no time at all"));
    check(&json!(2), Ok(NonZeroDuration(Duration::from_secs(2))));
}

#[test]
fn sizes() {
    check(&json!(1024), Ok(Size(1024)));
    check(&json!("100m"), Ok(Size(104_857_600)));
    check(&json!("1.5K"), Ok(Size(1536)));
    check(&json!("2g"), Ok(Size(2_147_483_648)));
    check::<Size>(&json!("10mb"), Err("expected a size"));
    check::<Size>(&json!("-1"), Err("expected a size"));
    check::<Size>(&json!(0.5), Err("out of range"));
    check::<Size>(&json!("9999999999g"), Err("out of range"));
}

#[test]
fn url_paths() {
    check(&json!("/health"), Ok(UrlPath("/health".into())));
    check::<UrlPath>(&json!("health"), Err("does not start with /"));
    check::<UrlPath>(&json!("/a\"; } evil"), Err("not a URL path"));
    check::<UrlPath>(&json!("/a\nb"), Err("not a URL path"));
}

#[test]
fn user_names() {
    check(&json!("www-data"), Ok(UserName("www-data".into())));
    check::<UserName>(&json!("root; evil"), Err("not a user name"));
    check::<UserName>(&json!("-x"), Err("not a user name"));
}
