//! What any neighbour may know: the admin address has no login, so that who reaches it reads it. Pure.
//!
//! State, counts, ages, numbers of the plan and process numbers stay. What clients have sent (paths and ids of requests),
//! what the application has written (errors, warnings), what the launcher has logged, and paths of the host are left out. The fields stay, so that
//! programs that read them do not break.

use crate::status::{RequestStatus, StatusReport};

/// For operators who miss something.
const LEFT_OUT: &str = "paths and ids of requests, slow requests, warnings, errors, events and the path of config.json: `microservice-flask status \
     --json` has them, by way of control.sock in the runtime folder; nginx_config.admin_details shows them here too";
/// Methods that say nothing of their client. Anybody can make up others.
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
];
/// Longer than any reason of the launcher's own words.
const MAX_REASON: usize = 300;

/// The report without what only the control socket tells. `health_path`: the path that the configuration names.
pub(super) fn report(mut report: StatusReport, health_path: Option<&str>) -> StatusReport {
    report.reason = report.reason.map(|text| reason(&text, health_path));
    report.config_file = None;
    report.warnings.clear();
    report.last_errors.clear();
    report.errors.clear();
    report.events.clear();
    report.slow_requests.clear();
    if let Some(last) = &mut report.reloads.last {
        last.text.clear();
    }
    for worker in report.workers.iter_mut().chain(&mut report.finishing) {
        worker.serving.iter_mut().for_each(anonymous);
    }
    report.details = false;
    report.left_out = Some(LEFT_OUT.to_owned());
    report
}

fn anonymous(request: &mut RequestStatus) {
    request.request_id.clear();
    request.path.clear();
    if !METHODS.contains(&request.method.as_str()) {
        "other".clone_into(&mut request.method);
    }
}

/// One line in which every path is `…`, except the health path. Of that, the query is left out: it may hold a token.
pub(super) fn reason(text: &str, health_path: Option<&str>) -> String {
    let line = text.lines().next().unwrap_or_default();
    let words: Vec<&str> = line
        .split(' ')
        .map(|word| shown(word, health_path))
        .collect();
    words.join(" ").chars().take(MAX_REASON).collect()
}

fn shown<'a>(word: &'a str, health_path: Option<&'a str>) -> &'a str {
    if !word.contains('/') {
        return word;
    }
    match health_path {
        Some(path) if word == path => path.split('?').next().unwrap_or_default(),
        Some(_) | None => "…",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    #[test]
    fn nothing_that_a_client_or_the_application_has_said_is_left() {
        let mut whole = sample::report();
        whole.reason = Some("cannot connect to /run/secret/nginx.sock: refused".into());
        whole.workers[0].serving[0].method = "SECRET".into();
        let outline = report(whole.clone(), None);
        let text = serde_json::to_string(&outline).unwrap();
        assert!(!text.to_lowercase().contains("secret"), "{text}");
        assert!(!text.contains("Traceback"), "{text}");
        assert!(!outline.details && outline.left_out.is_some());
        // Programs that read the whole report can read this too.
        let fields = |report: &StatusReport| {
            let value = serde_json::to_value(report).unwrap();
            let object = value.as_object().unwrap();
            object.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(fields(&outline), fields(&whole));
        let request = &outline.workers[0].serving[0];
        assert_eq!((request.method.as_str(), request.seconds), ("other", 1));
        assert_eq!(outline.children, whole.children);
        assert_eq!(outline.plan, whole.plan);
    }

    #[test]
    fn reasons_keep_the_health_path_and_no_other() {
        let health = Some("/health?token=secret");
        let text = "uwsgi is starting: the health check /health?token=secret answers 404";
        let expected = "uwsgi is starting: the health check /health answers 404";
        assert_eq!(reason(text, health), expected);
        assert_eq!(
            reason(
                "cannot connect to /srv/my app/x.sock: refused\nmore",
                health
            ),
            "cannot connect to … … refused"
        );
        assert_eq!(reason("stopping", None), "stopping");
        assert_eq!(reason(&"x".repeat(1000), None).len(), MAX_REASON);
    }
}
