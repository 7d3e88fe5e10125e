//! What those who look at the page get, and what is done for nobody.

use std::net::SocketAddr;
use std::time::Instant;

use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::task::LocalSet;

use super::*;
use crate::status::sample;

/// A report, published at this moment.
fn published(report: StatusReport) -> Published {
    Published {
        report: Rc::new(report),
        admin_details: false,
        application: None,
        at: Instant::now(),
        sampled: None,
    }
}

fn page(rights: Rights) -> (watch::Sender<Published>, Rc<LivePage>) {
    let (sender, reports) = Reports::fixed(sample::report());
    (sender, Rc::new(LivePage::new(reports, rights)))
}

fn neighbour() -> Rights {
    Rights::ReadOnly(SocketAddr::from(([127, 0, 0, 1], 9180)))
}

/// Runs the clients, and the tasks that send to them.
async fn within_a_minute(clients: impl Future<Output = ()>) {
    let clients = tokio::time::timeout(Duration::from_secs(60), clients);
    LocalSet::new().run_until(clients).await.unwrap();
}

/// The next event with parts.
async fn parts(response: &mut Response) -> Value {
    loop {
        let frame = response
            .body_mut()
            .frame()
            .await
            .expect("an event")
            .unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        assert!(
            text.ends_with("\n\n") && text.matches('\n').count() == 2,
            "{text}"
        );
        if let Some(data) = text.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
        assert!(text == RETRY || text.starts_with(": "), "{text}");
    }
}

fn ids(parts: &Value) -> Vec<&str> {
    parts
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test(flavor = "current_thread")]
async fn a_client_gets_what_has_changed_for_it() {
    let (sender, page) = page(Rights::Control);
    let clients = async {
        let mut quick = page.events(false);
        assert_eq!(
            ids(&parts(&mut quick).await).len(),
            13,
            "at first all parts"
        );
        let mut slow = page.events(false);
        let mut report = sample::report();
        report.warnings = vec!["a new warning".into()];
        sender.send_replace(published(report.clone()));
        let second = parts(&mut quick).await;
        assert_eq!(ids(&second), ["warnings"]);
        assert!(
            second["warnings"]
                .as_str()
                .unwrap()
                .contains("a new warning")
        );
        report.ts = "2026-11-27T09:00:01Z".into();
        sender.send_replace(published(report));
        assert_eq!(ids(&parts(&mut quick).await), ["now"]);
        let mut last = Value::Null;
        while !last["now"]
            .as_str()
            .is_some_and(|now| now.contains("09:00:01"))
        {
            last = parts(&mut slow).await;
        }
        // The launcher ends.
        drop(sender);
        assert!(quick.body_mut().frame().await.is_none());
        assert!(
            page.events(false).body_mut().frame().await.is_some(),
            "retry"
        );
    };
    within_a_minute(clients).await;
}

#[tokio::test(flavor = "current_thread")]
async fn neighbours_get_the_outline() {
    let (sender, page) = page(neighbour());
    let clients = async {
        let mut events = page.events(false);
        let outline = parts(&mut events).await.to_string();
        assert!(!outline.contains("secret"), "{outline}");
        assert!(outline.contains("Left out on this address"), "{outline}");
        let mut whole = published(sample::report());
        let document = page.document(&whole).into_body().collect().await.unwrap();
        let document = String::from_utf8(document.to_bytes().to_vec()).unwrap();
        assert!(!document.contains("secret"), "{document}");
        whole.admin_details = true;
        sender.send_replace(whole);
        let with_details = parts(&mut events).await.to_string();
        assert!(with_details.contains("/users/secret"), "{with_details}");
    };
    within_a_minute(clients).await;
}

#[tokio::test(flavor = "current_thread")]
async fn clients_are_bounded_and_nothing_is_rendered_for_nobody() {
    let (_sender, page) = page(Rights::Control);
    let clients = async {
        let mut looking: Vec<Response> = (0..MOST_CLIENTS).map(|_| page.events(false)).collect();
        let refused = page.events(false);
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        looking.pop();
        assert_eq!(page.events(true).status(), StatusCode::OK);
        let mut last = page.events(false);
        assert_eq!(ids(&parts(&mut last).await).len(), 13);
        drop((looking, last));
        while page.updates.borrow().is_some() {
            // The interval between two polls.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(page.clients.available_permits(), MOST_CLIENTS);
    };
    within_a_minute(clients).await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_page_has_its_policy() {
    let (_sender, page) = page(Rights::Control);
    let response = page.document(&published(sample::report()));
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
}
