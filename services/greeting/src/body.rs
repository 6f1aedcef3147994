//! Bounds on the time that a request's body may take and on the size of its messages. tonic reads the message before the
//! service sees the call, and so before anything else enforces its deadline.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Uri};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use octet_runtime::{
    deadline::{Deadline, MalformedTimeout},
    drain::Drain,
    messages::{Bounded, TooLarge},
    serve::RequestBody,
};
use tonic::Status;
use tower::BoxError;

/// The maximum time for a message to arrive, even where the call's deadline is later.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Its calls are bidirectional streams that stay open as long as the client has questions.
const REFLECTION: &str = "/grpc.reflection.";

/// The call's deadline, among its extensions: it starts with the headers and not with the message.
#[derive(Clone, Copy)]
pub(crate) struct Received(pub(crate) Result<Deadline, MalformedTimeout>);

/// Fails a body that does not arrive in time, or has a message beyond its limit.
pub(crate) struct BoundedBody {
    body: Bounded<RequestBody>,
    limit: Limit,
    /// Created at the first wait: most bodies arrive with their headers.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

enum Limit {
    /// The call's deadline, or [`MAX_WAIT`] after its headers.
    Moment(tokio::time::Instant),
    /// The service's shutdown, which an idle stream must not delay.
    Drain(Drain),
}

/// Bounds the body, and adds the deadline to the extensions.
/// `max` is the maximum size of a message.
pub(crate) fn bounded(mut request: Request<RequestBody>, drain: &Drain, max: usize) -> Request<BoundedBody> {
    let limit = if is_stream(request.uri()) {
        Limit::Drain(drain.clone())
    } else {
        let received = Deadline::from_headers(request.headers());
        request.extensions_mut().insert(Received(received));
        let latest = Deadline::after(MAX_WAIT);
        Limit::Moment(received.map_or(latest, |deadline| deadline.min(latest)).instant())
    };
    request.map(|body| BoundedBody { body: Bounded::new(body, max), limit, waiting: None })
}

fn with_status(error: BoxError) -> BoxError {
    match error.downcast_ref::<TooLarge>() {
        Some(large) => Status::resource_exhausted(large.to_string()).into(),
        None => error,
    }
}

fn is_stream(uri: &Uri) -> bool {
    uri.path().starts_with(REFLECTION)
}

impl Body for BoundedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(with_status)));
        }
        let Self { limit, waiting, .. } = &mut *self;
        let waiting = waiting.get_or_insert_with(|| limit.passed());
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(match limit {
            Limit::Moment(_) => {
                Some(Err(Status::deadline_exceeded("the request message did not arrive in time").into()))
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
