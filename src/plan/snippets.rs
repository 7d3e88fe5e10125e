//! Findings of the service's own nginx configuration.

use crate::config::problem::Findings;
use crate::host::snippets::{MAX_SNIPPETS, MAX_TOTAL, UwsgiDirective};

/// The name of the application's upstream in nginx.conf.
const APPLICATION: &str = "application";

/// Reports directives of nginx's uwsgi module, which do not reach the application: its socket speaks HTTP. Where a snippet
/// passes requests to a uWSGI of its own, the other directives belong to that one.
pub(super) fn check(directives: &[UwsgiDirective], findings: &mut Findings) {
    let passes = |directive: &UwsgiDirective| directive.name == "uwsgi_pass";
    let to_another = directives
        .iter()
        .any(|directive| passes(directive) && directive.value != APPLICATION);
    for directive in directives {
        let place = format!("{}:{}", directive.file.display(), directive.line);
        if passes(directive) && directive.value == APPLICATION {
            findings.problem(
                "",
                format!("{place}: uwsgi_pass cannot reach the application, which speaks HTTP"),
                "write: include proxy.conf; rewrite ^ $uri break; proxy_pass http://application;",
            );
        } else if !to_another {
            findings.warning(
                "",
                format!(
                    "{place}: {} has no effect: nginx asks the application by HTTP",
                    directive.name
                ),
                format!("use {}", directive.name.replacen("uwsgi_", "proxy_", 1)),
            );
        }
    }
}

/// Reports snippets that are more than the launcher reads.
pub(super) fn check_number(too_many: bool, findings: &mut Findings) {
    if too_many {
        findings.problem(
            "",
            format!(
                "the snippets in nginx/http.d or nginx/server.d are more than {MAX_SNIPPETS}, or larger than {} MiB",
                MAX_TOTAL >> 20
            ),
            "let one snippet include the others by nginx's own include",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(directives: &[(&str, &str)]) -> Vec<String> {
        let directives: Vec<_> = directives
            .iter()
            .map(|(name, value)| UwsgiDirective {
                file: "a.conf".into(),
                line: 3,
                name: (*name).to_owned(),
                value: (*value).to_owned(),
            })
            .collect();
        let mut findings = Findings::default();
        check(&directives, &mut findings);
        let list = findings.list.into_iter();
        list.map(|finding| {
            format!(
                "{:?} {} -> {}",
                finding.severity, finding.what, finding.hint
            )
        })
        .collect()
    }

    #[test]
    fn what_does_not_reach_the_application() {
        let found_one = found(&[("uwsgi_read_timeout", "5s"), ("uwsgi_pass", "application")]);
        assert_eq!(found_one.len(), 2, "{found_one:?}");
        assert!(
            found_one[0].starts_with("Warning a.conf:3: uwsgi_read_timeout has no effect"),
            "{found_one:?}"
        );
        assert!(
            found_one[0].ends_with("use proxy_read_timeout"),
            "{found_one:?}"
        );
        assert!(
            found_one[1].starts_with("Problem a.conf:3: uwsgi_pass"),
            "{found_one:?}"
        );
    }

    #[test]
    fn what_belongs_to_another_uwsgi_is_left_alone() {
        let other = [("uwsgi_pass", "unix:/run/other.sock"), ("uwsgi_param", "A")];
        assert_eq!(found(&other), [""; 0]);
    }
}
