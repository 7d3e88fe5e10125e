//! How problems and warnings are printed: on stderr, one by one, before the command acts on them.

use crate::config::problem::Findings;
use crate::console::print_error;

/// Problems and warnings about the configuration.
pub(crate) fn print(findings: &Findings) {
    for finding in &findings.list {
        print_error(&format!("{}\n", findings.show(finding)));
    }
}

/// What `nginx -t` has printed, one objection per line.
pub(crate) fn print_nginx_objections(objections: &str) {
    let objections = objections.replace('\n', "\n  ");
    print_error(&format!(
        "problem: nginx does not accept the configuration\n  {objections}\n  hint: the file that nginx names is a snippet of \
         the service, or rendered (microservice-flask render)\n"
    ));
}
