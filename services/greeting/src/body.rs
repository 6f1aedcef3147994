//! A request's body that keeps nobody waiting: tonic reads a message to its end before the service sees the call, and so
//! before anything else heeds its deadline.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Uri};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use octet_runtime::{
    deadline::{Deadline, MalformedTimeout},
    drain::Drain,
};
use tonic::Status;
use tower::BoxError;

/// How long a message may take to come, though the caller would wait longer for its answer.
const LONGEST: Duration = Duration::from_secs(10);

/// A service that is asked by a stream, and answers as long as somebody asks.
const REFLECTION: &str = "/grpc.reflection.";

/// The deadline that came with a call, among its extensions: it runs from the headers on, and not from the message.
#[derive(Clone, Copy)]
pub(crate) struct Received(pub(crate) Result<Deadline, MalformedTimeout>);

/// Ends a body that does not come in time.
pub(crate) struct TimedBody {
    body: Incoming,
    limit: Limit,
    /// Runs from the first wait on: most bodies are there with their headers.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

enum Limit {
    /// The call's deadline, or [`LONGEST`] from its headers on.
    Moment(tokio::time::Instant),
    /// The service's own end: whoever asks nothing more must not hold it up.
    Drain(Drain),
}

/// The request with its body timed, and its deadline among its extensions.
pub(crate) fn timed(mut request: Request<Incoming>, drain: &Drain) -> Request<TimedBody> {
    let limit = if is_stream(request.uri()) {
        Limit::Drain(drain.clone())
    } else {
        let received = Deadline::from_headers(request.headers());
        request.extensions_mut().insert(Received(received));
        let longest = Deadline::after(LONGEST);
        Limit::Moment(received.map_or(longest, |deadline| deadline.min(longest)).instant())
    };
    request.map(|body| TimedBody { body, limit, waiting: None })
}

fn is_stream(uri: &Uri) -> bool {
    uri.path().starts_with(REFLECTION)
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Self { limit, waiting, .. } = &mut *self;
        let waiting = waiting.get_or_insert_with(|| limit.passed());
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(match limit {
            Limit::Moment(_) => {
                Some(Err(Status::deadline_exceeded("the call's message did not come in time").into()))
            }
            Limit::Drain(_) => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Limit {
    fn passed(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self {
            Self::Moment(moment) => Box::pin(tokio::time::sleep_until(*moment)),
            Self::Drain(drain) => {
                let drain = drain.clone();
                Box::pin(async move { drain.closing().await })
            }
        }
    }
}
