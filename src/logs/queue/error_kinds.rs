//! What makes two errors of the log the same: the type of the exception and its place; without an exception, the message.
//! Pure.

use serde_json::Value;

use crate::logs::observed::ErrorFacts;
use crate::logs::record::Source;

/// Characters of a kind, a place or a message that are kept.
const CHARS: usize = 160;
/// The fields in which structured loggers and the entry module write a traceback or a stack.
const TRACES: [&str; 5] = ["traceback", "stack", "exception", "exc_info", "stack_info"];

/// An error record as the log has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoggedError<'a> {
    pub(crate) at: u64,
    pub(crate) source: Source,
    /// All lines. For a JSON object of the application: what its message is, as JSON.
    pub(crate) message: &'a [u8],
    pub(crate) request_id: &'a str,
    /// The JSON object, if the application has written one.
    pub(crate) object: Option<&'a [u8]>,
}

/// The facts of an error.
pub(crate) fn facts(error: &LoggedError<'_>) -> ErrorFacts {
    let object = error
        .object
        .and_then(|object| serde_json::from_slice::<Value>(object).ok());
    let field = |name: &str| object.as_ref()?.get(name)?.as_str();
    let message = match &object {
        Some(_) => ["message", "msg", "event"]
            .into_iter()
            .find_map(field)
            .unwrap_or_default()
            .to_owned(),
        None => String::from_utf8_lossy(error.message).into_owned(),
    };
    let trace = TRACES.into_iter().find_map(field).unwrap_or(&message);
    let request = match (field("method"), field("path")) {
        (Some(method), Some(path)) => format!("{method} {path}"),
        _ => request_of(&message).unwrap_or_default(),
    };
    let own_id = field("request_id").filter(|id| !id.is_empty());
    let (kind, text) = exception(trace).map_or_else(
        || without_exception(&message),
        |(kind, text)| (kind.to_owned(), text.to_owned()),
    );
    ErrorFacts {
        at: error.at,
        source: error.source,
        kind: shortened(&kind),
        place: shortened(&place(trace).unwrap_or_default()),
        message: shortened(&text),
        request_id: own_id.unwrap_or(error.request_id).to_owned(),
        request: shortened(&request),
    }
}

/// The first line that says something stands for the message.
fn without_exception(message: &str) -> (String, String) {
    let mut lines = message.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    (without_numbers(before_request(line)), line.to_owned())
}

/// The last exception of a traceback: its type, and the first line of its text.
fn exception(trace: &str) -> Option<(&str, &str)> {
    let mut in_frames = false;
    let mut found = None;
    for line in trace.lines() {
        let line = line.strip_prefix("  | ").unwrap_or(line);
        if line.ends_with("Traceback (most recent call last):") || line.starts_with("  File \"") {
            in_frames = true;
        } else if in_frames && !line.is_empty() && !line.starts_with([' ', '\t']) {
            in_frames = false;
            let (kind, text) = line.split_once(':').unwrap_or((line, ""));
            let is_name = !kind.is_empty() && !kind.contains(' ');
            found = is_name.then_some((kind, text.trim())).or(found);
        }
    }
    found
}

/// The innermost frame: `file.py:12 in function`, with the last two parts of the path.
fn place(trace: &str) -> Option<String> {
    let mut frames = trace.lines().map(str::trim_start);
    let last = frames.rfind(|line| line.starts_with("File \""))?;
    let (file, rest) = last.strip_prefix("File \"")?.split_once("\", line ")?;
    let mut parts: Vec<&str> = file.rsplitn(3, '/').take(2).collect();
    parts.reverse();
    let (line, function) = rest.split_once(", in ").unwrap_or((rest, ""));
    let place = format!("{}:{line}", parts.join("/"));
    Some(if function.is_empty() {
        place
    } else {
        format!("{place} in {function}")
    })
}

/// Flask's own message: `Exception on /path [GET]`.
fn request_of(message: &str) -> Option<String> {
    let (_, rest) = message.lines().next()?.split_once("Exception on ")?;
    let (path, method) = rest.strip_suffix(']')?.rsplit_once(" [")?;
    Some(format!("{method} {path}"))
}

/// nginx names client and request behind the message: they differ each time.
fn before_request(line: &str) -> &str {
    line.split(", client: ").next().unwrap_or(line)
}

/// Numbers differ from one time to the next: `worker 3 (pid 712)` becomes `worker # (pid #)`.
fn without_numbers(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.trim().chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

fn shortened(text: &str) -> String {
    text.chars().take(CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str, object: Option<&str>) -> ErrorFacts {
        facts(&LoggedError {
            at: 7,
            source: Source::AppStderr,
            message: message.as_bytes(),
            request_id: "ab12",
            object: object.map(str::as_bytes),
        })
    }

    const TRACE: &str = "Traceback (most recent call last):\n  File \"/usr/lib/python3/dist-packages/flask/app.py\", line 2525, in wsgi_app\n    response = self.full_dispatch_request()\n  File \"/opt/rum/src/main.py\", line 12, in boom\n    raise RuntimeError(\"boom: 7\")\nRuntimeError: boom: 7";

    #[track_caller]
    fn check(facts: &ErrorFacts, kind: &str, place: &str, message: &str, request: &str) {
        let seen = (
            facts.kind.as_str(),
            facts.place.as_str(),
            facts.message.as_str(),
            facts.request.as_str(),
        );
        assert_eq!(seen, (kind, place, message, request));
    }

    #[test]
    fn a_traceback_is_known_by_its_last_exception_and_innermost_frame() {
        let message =
            format!("[2026-11-27 10:00:00,1] ERROR in app: Exception on /boom [GET]\n{TRACE}");
        let facts = of(&message, None);
        check(
            &facts,
            "RuntimeError",
            "src/main.py:12 in boom",
            "boom: 7",
            "GET /boom",
        );
        assert_eq!((facts.at, facts.request_id.as_str()), (7, "ab12"));
        let chained = format!(
            "{TRACE}\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"x.py\", line 1, in <module>\na.b.Error"
        );
        check(
            &of(&chained, None),
            "a.b.Error",
            "x.py:1 in <module>",
            "",
            "",
        );
    }

    #[test]
    fn records_of_the_entry_module_have_their_fields() {
        let object = serde_json::json!({"message": "GET /x failed: KeyError: 1", "request_id": "cd", "method": "GET", "path": "/x", "traceback": TRACE}).to_string();
        let facts = of("GET \\/x failed", Some(&object));
        check(
            &facts,
            "RuntimeError",
            "src/main.py:12 in boom",
            "boom: 7",
            "GET /x",
        );
        assert_eq!(facts.request_id, "cd");
        let stack = "  File \"/opt/rum/src/main.py\", line 3, in hang\n    time.sleep(9)";
        let object = serde_json::json!({"message": "Request timed out after 1.0 s: GET /x", "method": "GET", "path": "/x", "stack": stack}).to_string();
        check(
            &of("", Some(&object)),
            "Request timed out after #.# s: GET /x",
            "src/main.py:3 in hang",
            "Request timed out after 1.0 s: GET /x",
            "GET /x",
        );
    }

    #[test]
    fn without_an_exception_the_message_without_numbers_counts() {
        let line = "*7 upstream prematurely closed connection while reading upstream, client: 10.0.0.1, server: _";
        check(
            &of(line, None),
            "*# upstream prematurely closed connection while reading upstream",
            "",
            &line.chars().take(CHARS).collect::<String>(),
            "",
        );
        check(
            &of("\n  two 12 34\nlines", None),
            "two # #",
            "",
            "two 12 34",
            "",
        );
        check(&of("", None), "", "", "", "");
        assert_eq!(of(&"é".repeat(999), None).kind.chars().count(), CHARS);
    }
}
