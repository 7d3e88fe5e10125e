//! The body of a response: a text, or events that follow one another as long as both sides are there.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// What a response has after its head.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// All of it.
    Whole(Full<Bytes>),
    /// What is sent now and then, until the other side of this receiver is dropped.
    Events {
        events: mpsc::Receiver<Bytes>,
        _permit: OwnedSemaphorePermit,
    },
}

impl ResponseBody {
    /// Events, as long as the other side of the receiver is there. The permit is given back at the end.
    pub(crate) fn events(events: mpsc::Receiver<Bytes>, permit: OwnedSemaphorePermit) -> Self {
        Self::Events {
            events,
            _permit: permit,
        }
    }

    /// Whether it goes on for a long time, in which nothing is expected of the client but to read.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Self::Events { .. })
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(text: T) -> Self {
        Self::Whole(Full::new(text.into()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context),
            Self::Events { events, .. } => events
                .poll_recv(context)
                .map(|event| event.map(|event| Ok(Frame::data(event)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Events { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Events { .. } => SizeHint::default(),
        }
    }
}
