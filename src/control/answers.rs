//! Answers with the headers that each of them has. Pure.

use hyper::StatusCode;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use serde::Serialize;

use crate::http::Response;
use crate::http::body::ResponseBody;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The path has other methods.
pub(super) fn not_allowed(allowed: &'static str) -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed}\n"));
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// For a client for which there is no room beside the others.
pub(super) fn too_many(why: &str) -> Response {
    let body = format!("{why}; ask again\n");
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, &body);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The service has ended.
pub(super) fn stopping() -> Response {
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "the launcher is stopping\n",
    )
}

/// For people.
pub(super) fn text(status: StatusCode, body: &str) -> Response {
    response(status, "text/plain; charset=utf-8", body.to_owned())
}

/// For programs.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(body) => response(status, "application/json", body + "\n"),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("cannot write JSON: {error}\n"),
        ),
    }
}

/// An answer of any type, which nobody may keep.
pub(super) fn response(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<ResponseBody>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // For browsers: the text is no script or page, and no page of others may have it.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    response
}
