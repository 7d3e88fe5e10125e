//! The status page, and the events that keep it up to date: at most four a second, rendered once for all who look.
//!
//! ```text
//! reports ─► one task while somebody looks: page::parts ─► latest update ─┬─► client: the parts that have changed for it
//!                                                                         └─► client: …
//! ```
//!
//! A client that reads slowly misses updates in between and gets all that they have changed with the next one. Nothing is kept
//! for it but the one event that it is being sent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};
use tokio::sync::{Semaphore, mpsc, watch};

use super::answers::{response, text, too_many};
use super::callers::Rights;
use super::outline;
use crate::http::Response;
use crate::http::body::ResponseBody;
use crate::page::{POLICY, StatusPage};
use crate::status::StatusReport;
use crate::telemetry::reports::{Published, Reports};

/// Clients of a listener that get events. They are fewer than the connections of a server, so that all others are answered.
const MOST_CLIENTS: usize = 16;
/// Two events have at least this time between them.
const LEAST_INTERVAL: Duration = Duration::from_millis(250);
/// When there is nothing new for so long, a client learns that the launcher is there all the same.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// After this time a client has to come again, which browsers do by themselves. It is less than a connection may take.
const STREAM_TIME: Duration = Duration::from_secs(300);
/// The beginning of a stream: the browser comes again after so many milliseconds.
const RETRY: &str = "retry: 2000\n\n";

/// For an nginx in front: it would hold events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What is sent to those who look at the page of a listener.
#[derive(Debug)]
pub(super) struct LivePage {
    reports: Reports,
    rights: Rights,
    clients: Arc<Semaphore>,
    /// There while somebody looks.
    updates: RefCell<Option<Rc<watch::Sender<Rc<Update>>>>>,
    /// The number of the last update.
    number: Cell<u64>,
}

/// The parts of the page at one moment.
#[derive(Debug, Default)]
struct Update {
    number: u64,
    /// Its id, its content, and the number of the update that has changed it.
    parts: Vec<(&'static str, String, u64)>,
    /// The event for a client that has got the update before this one.
    usual: Bytes,
}

impl LivePage {
    pub(super) fn new(reports: Reports, rights: Rights) -> Self {
        Self {
            reports,
            rights,
            clients: Arc::new(Semaphore::new(MOST_CLIENTS)),
            updates: RefCell::default(),
            number: Cell::new(0),
        }
    }

    /// The whole page.
    pub(super) fn document(&self, published: &Published) -> Response {
        let report = self.visible(published);
        let html = match StatusPage::new(&report).document() {
            Ok(html) => html,
            Err(error) => return cannot_render(&error),
        };
        let mut page = response(StatusCode::OK, "text/html; charset=utf-8", html);
        let headers = page.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        page
    }

    /// Events until the client or the launcher leaves. `head_only`: nobody will read them. Needs a `LocalSet`.
    pub(super) fn events(self: &Rc<Self>, head_only: bool) -> Response {
        let Ok(permit) = Arc::clone(&self.clients).try_acquire_owned() else {
            return too_many(&format!("{MOST_CLIENTS} clients look at this page already"));
        };
        let body = if head_only {
            ResponseBody::from("")
        } else {
            let (sender, receiver) = mpsc::channel(1);
            tokio::task::spawn_local(send(self.subscribe(), sender));
            ResponseBody::events(receiver, permit)
        };
        let mut events = response(StatusCode::OK, "text/event-stream", body);
        let headers = events.headers_mut();
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        events
    }

    /// What a client of this listener may know.
    fn visible(&self, published: &Published) -> Rc<StatusReport> {
        if published.admin_details || self.rights == Rights::Control {
            return Rc::clone(&published.report);
        }
        let report = StatusReport::clone(&published.report);
        Rc::new(outline::report(report, published.health_path()))
    }

    fn subscribe(self: &Rc<Self>) -> watch::Receiver<Rc<Update>> {
        let mut updates = self.updates.borrow_mut();
        if let Some(sender) = &*updates {
            let mut receiver = sender.subscribe();
            // The latest one is new to this client.
            receiver.mark_changed();
            return receiver;
        }
        let (sender, receiver) = watch::channel(Rc::default());
        let sender = Rc::new(sender);
        *updates = Some(Rc::clone(&sender));
        tokio::task::spawn_local(Rc::clone(self).publish(sender));
        receiver
    }

    /// Renders updates as long as somebody looks.
    async fn publish(self: Rc<Self>, updates: Rc<watch::Sender<Rc<Update>>>) {
        let mut reports = self.reports.clone();
        let mut next = reports.latest();
        while let Some(published) = next {
            let update = self.update(&updates.borrow(), &published);
            updates.send_replace(Rc::new(update));
            // The least interval between two events.
            tokio::time::sleep(LEAST_INTERVAL).await;
            next = tokio::select! {
                next = reports.next() => next,
                () = updates.closed() => None,
            };
        }
        // With it the streams of those who look end: there will be no more reports.
        self.updates.take();
    }

    fn update(&self, before: &Update, published: &Published) -> Update {
        let number = self.number.get() + 1;
        self.number.set(number);
        let report = self.visible(published);
        let parts = StatusPage::new(&report).parts();
        let parts = match parts {
            Ok(parts) => parts.into_iter(),
            Err(error) => {
                tracing::warn!(%error, "Cannot render the status page.");
                return Update::default();
            }
        };
        let changed = |(place, (id, html)): (usize, (&'static str, String))| {
            let same = before.parts.get(place).filter(|part| part.1 == html);
            (id, html, same.map_or(number, |part| part.2))
        };
        let mut update = Update {
            number,
            parts: parts.enumerate().map(changed).collect(),
            usual: Bytes::new(),
        };
        update.usual = update.event(before.number);
        update
    }
}

impl Update {
    /// The event for a client that has got everything up to another update.
    fn since(&self, number: u64) -> Bytes {
        if number + 1 == self.number {
            self.usual.clone()
        } else {
            self.event(number)
        }
    }

    /// JSON has no line ends, which would be the event's.
    fn event(&self, number: u64) -> Bytes {
        let changed = self.parts.iter().filter(|part| part.2 > number);
        let parts: serde_json::Map<_, _> = changed
            .map(|(id, html, _)| ((*id).to_owned(), html.as_str().into()))
            .collect();
        format!("data: {}\n\n", serde_json::Value::from(parts)).into()
    }
}

/// Sends to one client what it does not have yet.
async fn send(mut updates: watch::Receiver<Rc<Update>>, events: mpsc::Sender<Bytes>) {
    let end = tokio::time::Instant::now() + STREAM_TIME;
    let mut event = Bytes::from_static(RETRY.as_bytes());
    let mut sent = 0;
    // Waits until the client has taken the event before.
    while events.send(event).await.is_ok() {
        event = tokio::select! {
            changed = tokio::time::timeout(HEARTBEAT, updates.changed()) => match changed {
                Ok(Ok(())) => {
                    let update = Rc::clone(&updates.borrow_and_update());
                    let event = update.since(sent);
                    sent = update.number;
                    event
                }
                Ok(Err(_)) => return,
                Err(_) => Bytes::from_static(b": still here\n\n"),
            },
            () = events.closed() => return,
            () = tokio::time::sleep_until(end) => return,
        };
    }
}

fn cannot_render(error: &askama::Error) -> Response {
    text(
        StatusCode::INTERNAL_SERVER_ERROR,
        &format!("cannot render the page: {error}\n"),
    )
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
