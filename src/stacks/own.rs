//! Which frames are those of uWSGI and the launcher's modules. Pure.

use super::answer::StackFrame;

/// How the names of the launcher's modules begin (`uwsgi/` of this repository).
const MODULES: &str = "microservice_flask_";

fn is_own(frame: &StackFrame) -> bool {
    let name = frame.file.rsplit('/').next();
    name.is_some_and(|name| name.starts_with(MODULES))
}

/// Whether the thread serves a request: a module of the launcher has called the application. `frames` are those of
/// [`without_own`], and how many there were before.
pub(super) fn is_request(frames: &[StackFrame], before: usize) -> bool {
    !frames.is_empty() && frames.len() < before
}

/// The frames of the application, the innermost first: what has called the launcher's module is uWSGI's, and threads of the
/// application have none of ours.
pub(super) fn without_own(mut frames: Vec<StackFrame>) -> Vec<StackFrame> {
    if let Some(outermost) = frames.iter().rposition(is_own) {
        frames.truncate(outermost);
    }
    frames.retain(|frame| !is_own(frame));
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> StackFrame {
        StackFrame {
            function: function.to_owned(),
            file: file.to_owned(),
            line: 1,
        }
    }

    #[test]
    fn only_frames_of_the_application_are_shown() {
        let view = frame("view", "/srv/src/main.py");
        let serve = frame("serve", "/run/x/uwsgi/microservice_flask_answer.py");
        let read = frame("read", "/run/x/uwsgi/microservice_flask_environ.py");
        let uwsgi = frame("uwsgi_hook", "");
        let request = vec![read, view.clone(), serve.clone(), uwsgi];
        let shown = without_own(request);
        assert_eq!(shown, std::slice::from_ref(&view));
        assert!(is_request(&shown, 4));
        let thread = vec![view.clone()];
        assert_eq!(without_own(thread.clone()), thread);
        assert!(!is_request(&thread, 1));
        // The launcher's thread, or a worker that has just taken a request.
        assert_eq!(without_own(vec![serve]), []);
        assert!(!is_request(&[], 1));
        let similar = frame("x", "/srv/src/not_microservice_flask_answer.py");
        assert_eq!(without_own(vec![similar.clone()]), [similar]);
    }
}
