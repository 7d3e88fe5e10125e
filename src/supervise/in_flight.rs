//! In-flight requests as text for operators: the oldest one by one, the number of the others.

use std::cmp::Reverse;

use crate::status::RequestStatus;

/// Requests that are listed one by one; the oldest explain a delay best.
const NAMED: usize = 5;

/// The oldest requests, separated by commas; none when there is no request.
pub(crate) fn describe_oldest<'a>(
    requests: impl IntoIterator<Item = &'a RequestStatus>,
) -> Option<String> {
    let mut requests: Vec<&RequestStatus> = requests.into_iter().collect();
    requests.sort_by_key(|request| Reverse(request.seconds));
    let mut list: Vec<String> = requests
        .iter()
        .take(NAMED)
        .map(|request| {
            format!(
                "{} {} ({} s, {})",
                request.kind(),
                request.path,
                request.seconds,
                request.request_id
            )
        })
        .collect();
    if requests.len() > NAMED {
        list.push(format!("and {} more", requests.len() - NAMED));
    }
    (!list.is_empty()).then(|| list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_named_and_the_others_counted() {
        let request = |n: u64| RequestStatus {
            request_id: format!("r{n}"),
            method: "GET".into(),
            path: format!("/{n}"),
            seconds: 10 - n,
            queue_seconds: None,
            websocket: false,
        };
        let requests = [6, 2, 4, 1, 3, 5, 7].map(request);
        assert_eq!(
            describe_oldest(&requests).as_deref(),
            Some(
                "GET /1 (9 s, r1), GET /2 (8 s, r2), GET /3 (7 s, r3), GET /4 (6 s, r4), GET /5 (5 s, r5), and 2 more"
            )
        );
        assert_eq!(describe_oldest(&[]), None);
    }
}
