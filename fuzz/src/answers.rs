//! What the application and nginx answer to the launcher's own questions, and what the launcher answers to a request
//! that it takes out of the queue: nothing of that request is read.

use microservice_flask::internals::bytes;
use microservice_flask::internals::sys::runtime;

pub(crate) fn check(data: &[u8]) {
    if let Some((_, refused)) = bytes::application_answer(data) {
        assert!(data.starts_with(b"HTTP/"));
        let mark = b"\r\nX-Accel-Redirect: @refused\r\n";
        assert_eq!(refused, data.windows(mark.len()).any(|part| part == mark));
    }
    let response = [b"HTTP/1.1 204 \r\n", data].concat();
    assert!(matches!(
        bytes::application_answer(&response),
        Some((204, _))
    ));

    let refusal = |request: &[u8]| {
        let answer = runtime::block_on(bytes::refusal(request)).expect("a runtime");
        answer.expect("an answer")
    };
    let answer = refusal(data);
    assert_eq!(answer, refusal(b""));
    assert_eq!(bytes::application_answer(&answer), Some((503, true)));

    // Any result is right, as long as there is one.
    let _ = bytes::status_page(&String::from_utf8_lossy(data));
    let (numbers, _) = data.as_chunks::<8>();
    if let [active, reading, writing, ..] = numbers {
        let [active, reading, writing] = [active, reading, writing].map(|n| u64::from_le_bytes(*n));
        let page = format!(
            "Active connections: {active} \nserver accepts handled requests\n 9 9 9 \n\
             Reading: {reading} Writing: {writing} Waiting: 1 \n"
        );
        let [seen_reading, seen_writing, idle] = bytes::status_page(&page).expect("a page");
        assert_eq!(seen_reading, reading);
        assert_eq!(seen_writing, writing.saturating_sub(1));
        assert!(idle <= active);
    }
}
