//! Statistics as uWSGI writes them, and as nothing should write them.

use super::*;

#[test]
fn only_the_needed_fields_are_kept() {
    let text = br#"{"version":"2.0.21","workers":[
        {"id":1,"pid":42,"accepting":1,"requests":7,"cores":[{"in_request":1,"vars":
          ["REQUEST_METHOD=GET","REQUEST_URI=/report?token=secret","HTTP_COOKIE=session=secret","HTTP_X_REQUEST_ID=r1"],
          "req_info":{"request_start":1700000000}}]},
        {"id":2,"pid":0,"accepting":0,"requests":0,"cores":[{"in_request":0,"vars":[],"req_info":{}}]}]}"#;
    let workers = parse(text.to_vec()).unwrap().workers;
    assert_eq!(workers[0].in_flight[0].path, "/report");
    assert_eq!(workers[0].in_flight[0].id, "r1");
    assert!(!format!("{workers:?}").contains("secret"));
    assert!(!workers[1].accepting && workers[1].in_flight.is_empty());
}

#[test]
fn the_id_comes_from_nginx_and_the_websocket_from_the_entry_module() {
    let core = r#"{"in_request":1,"vars":["HTTP_MICROSERVICE_REQUEST=10.0.0.1 5 80 http 0 t=1.500 HTTP/1.1 r1 host /x .",
        "HTTP_MICROSERVICE_WEBSOCKET=open"]},
        {"in_request":1,"vars":["HTTP_MICROSERVICE_REQUEST=short","MICROSERVICE_WEBSOCKET=open"]}"#;
    let in_flight = &parse(stats(core)).unwrap().workers[0].in_flight;
    assert_eq!(
        (in_flight[0].id.as_str(), in_flight[0].websocket),
        ("r1", false)
    );
    assert_eq!(
        (in_flight[0].entered, in_flight[1].entered),
        (Some(1500), None)
    );
    assert_eq!(
        (in_flight[1].id.as_str(), in_flight[1].websocket),
        ("", true)
    );
}

#[test]
fn control_characters_of_a_client_do_not_break_the_parser() {
    let (head, tail) = (
        br#"{"workers":[{"id":1,"pid":42,"cores":[{"in_request":1,"vars":["PATH_INFO=/a"#,
        br#"b","HTTP_X_REQUEST_ID=r1"],"req_info":{"request_start":1}}]}]}"#,
    );
    for byte in (0..=u8::MAX).filter(|byte| !b"\"\\".contains(byte)) {
        let text = [head.as_slice(), &[byte], tail].concat();
        let workers = parse(text).unwrap_or_else(|error| panic!("byte {byte}: {error}"));
        assert_eq!(workers.workers[0].in_flight[0].id, "r1");
    }
}

#[test]
fn requests_of_a_dead_predecessor_are_not_the_new_process_s() {
    let text = br#"{"workers":[{"id":1,"pid":43,"accepting":0,"last_spawn":1700000007,"cores":[
        {"in_request":1,"vars":["HTTP_X_REQUEST_ID=old"],"req_info":{"request_start":1700000000}},
        {"in_request":1,"vars":["HTTP_X_REQUEST_ID=new"],"req_info":{"request_start":1700000007}}]}]}"#;
    let in_flight = &parse(text.to_vec()).unwrap().workers[0].in_flight;
    let ids: Vec<&str> = in_flight
        .iter()
        .map(|request| request.id.as_str())
        .collect();
    assert_eq!(ids, ["new"]);
}

#[test]
fn requests_of_a_process_that_accepts_are_its_own_after_a_step_back() {
    let text = br#"{"workers":[{"id":1,"pid":43,"accepting":1,"last_spawn":1700003600,"cores":[
        {"in_request":1,"vars":["HTTP_X_REQUEST_ID=r1"],"req_info":{"request_start":1700000000}}]}]}"#;
    assert_eq!(parse(text.to_vec()).unwrap().workers[0].in_flight.len(), 1);
}

/// Statistics of one worker with these cores.
fn stats(cores: &str) -> Vec<u8> {
    format!(r#"{{"workers":[{{"id":1,"pid":42,"cores":[{cores}]}}]}}"#).into_bytes()
}

#[test]
fn long_values_are_truncated() {
    let long = r"\u001b".to_owned() + &"x".repeat(100_000);
    let core = format!(
        r#"{{"in_request":1,"vars":["HTTP_X_REQUEST_ID={long}","REQUEST_METHOD={long}","REQUEST_URI=/{long}?{long}"]}}"#
    );
    let request = parse(stats(&core)).unwrap().workers[0].in_flight[0].clone();
    let lengths = [&request.id, &request.method, &request.path].map(String::len);
    assert_eq!(lengths, [MAX_ID, MAX_METHOD, MAX_PATH]);
    assert!(request.id.starts_with(" xx"), "{}", request.id);
    assert!(text(&[0xff; 100], 16).len() <= 16);
}

#[test]
fn more_slots_than_the_configuration_allows_are_an_error() {
    let cores = |count| vec!["{}"; count].join(",");
    assert!(parse(stats(&cores(1024))).is_ok());
    assert!(parse(stats(&cores(1025))).is_err());
    let workers = |count, cores: &str| {
        let worker = format!(r#"{{"id":1,"pid":42,"cores":[{cores}]}}"#);
        format!(r#"{{"workers":[{}]}}"#, vec![worker; count].join(",")).into_bytes()
    };
    assert_eq!(parse(workers(1024, "")).unwrap().workers.len(), 1024);
    assert!(parse(workers(1025, "")).is_err());
    assert!(parse(workers(3, &cores(512))).is_err());
}
