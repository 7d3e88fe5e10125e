//! Who has answered a request, and why the product itself has, from the fields of nginx's access log. Pure.

/// What the entry module says in its header `Microservice-Answer` (uwsgi/microservice_flask_answer.py).
pub(super) struct WorkerAnswer<'a> {
    /// None when the launcher has answered, because no worker was free in time.
    pub(super) worker: Option<u32>,
    /// Milliseconds of waiting for a slot; none without a worker.
    pub(super) queue: Option<u64>,
    /// Why the answer is not the application's; empty when it is.
    cause: &'a [u8],
}

impl<'a> WorkerAnswer<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let (worker, queue, cause) = (words.next()?, words.next()?, words.next()?);
        let is_word =
            cause.len() <= 40 && cause.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        Some(Self {
            worker: match worker {
                "-" => None,
                number => Some(number.parse().ok()?),
            },
            queue: match queue {
                "-" => None,
                number => Some(number.parse().ok()?),
            },
            cause: if is_word { cause.as_bytes() } else { b"" },
        })
    }
}

/// Why the product itself has made the answer; empty when it did not, or when nginx's status says it all (400, 413 …).
pub(super) fn reason<'a>(
    status: u16,
    answer: Option<&WorkerAnswer<'a>>,
    connect: &[u8],
    limit: &[u8],
) -> &'a [u8] {
    if let Some(answer) = answer {
        return answer.cause;
    }
    // One item for each attempt, `-` for one that could not connect; empty when the application was not asked.
    let asked = !connect.is_empty();
    let connected = connect.iter().any(u8::is_ascii_digit);
    match status {
        503 if limit == b"REJECTED" => b"too_many_connections",
        // A request with a body that goes to disk: refused for it, or failed while it was written (nginx's own 500).
        503 if !asked && limit.last().is_some_and(u8::is_ascii_digit) => b"disk_full",
        502 | 503 if asked && !connected => b"queue_full",
        502 | 503 if asked => b"worker_died",
        504 if asked => b"request_timeout",
        408 if !asked => b"too_slow",
        431 => b"request_headers_too_large",
        _ => b"",
    }
}
