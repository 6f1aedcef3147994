//! One gRPC call, from the client to the entry service and back.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http::{HeaderMap, header, uri::PathAndQuery};
use octet_runtime::{
    admission::Admitted,
    deadline::{Deadline, MalformedTimeout},
    metrics::{GrpcCall, RpcKind},
    telemetry::GrpcSpan,
    upstream::CallError,
};
use tokio::time::timeout_at;
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataMap};
use tower::Service;

use super::{Shared, codec::BytesCodec};
use crate::{
    edge::Outcome,
    entry::{Answer, MetadataError, Rpc, Step},
};

/// What a call answers with.
type Messages = BoxStream<'static, Result<Bytes, Status>>;

/// A call that is not yet made.
pub(super) struct Relay {
    pub(super) shared: Arc<Shared>,
    pub(super) path: PathAndQuery,
    pub(super) kind: RpcKind,
    pub(super) deadline: Result<Deadline, MalformedTimeout>,
    pub(super) metadata: Result<HeaderMap, MetadataError>,
    pub(super) span: GrpcSpan,
    pub(super) call: GrpcCall,
    pub(super) outcome: Option<Outcome>,
}

/// What is told of a call when it ends.
struct Tally {
    span: GrpcSpan,
    call: GrpcCall,
    outcome: Option<Outcome>,
}

/// An answer under way; it counts among the requests under way until its end.
struct Answering {
    answer: Answer<Bytes>,
    tally: Option<Tally>,
    _admitted: Admitted,
}

impl Relay {
    /// As the service that tonic's server calls once.
    pub(super) fn once(
        self,
    ) -> impl Service<
        Request<Streaming<Bytes>>,
        Response = Response<Messages>,
        Error = Status,
        Future = BoxFuture<'static, Result<Response<Messages>, Status>>,
    > {
        let mut relay = Some(self);
        tower::service_fn(move |request: Request<Streaming<Bytes>>| {
            let relay = relay.take();
            let answered: BoxFuture<'static, _> = Box::pin(async move {
                // It is called once; were it not, there would be nobody to answer.
                let relay = relay.ok_or_else(|| Status::internal("a call was begun twice"))?;
                relay.answer(request.into_inner()).await
            });
            answered
        })
    }

    async fn answer(self, inbound: Streaming<Bytes>) -> Result<Response<Messages>, Status> {
        let Self { shared, path, kind, deadline, metadata, span, call, outcome } = self;
        let begun = span.span().scope(begin(shared, path, kind, deadline, metadata, inbound));
        let tally = Tally { span, call, outcome };
        let (mut answer, admitted) = match begun.await {
            Ok(begun) => begun,
            Err(status) => {
                let status = passed(status);
                tally.end(Err(&status));
                return Err(status);
            }
        };
        let mut response = Response::new(());
        *response.metadata_mut() = MetadataMap::from_headers(crossing(&answer.metadata()));
        let answering = Answering { answer, tally: Some(tally), _admitted: admitted };
        let messages = stream::unfold(Some(Box::new(answering)), async |answering| {
            let mut answering = answering?;
            let (item, goes_on) = answering.next().await?;
            Some((item, goes_on.then_some(answering)))
        });
        Ok(response.map(|()| messages.boxed()))
    }
}

async fn begin(
    shared: Arc<Shared>,
    path: PathAndQuery,
    kind: RpcKind,
    deadline: Result<Deadline, MalformedTimeout>,
    metadata: Result<HeaderMap, MetadataError>,
    mut inbound: Streaming<Bytes>,
) -> Result<(Answer<Bytes>, Admitted), Status> {
    let admitted =
        shared.admission.admit().map_err(|overloaded| Status::unavailable(overloaded.to_string()))?;
    let deadline = deadline.map_err(|error| Status::invalid_argument(error.to_string()))?;
    let metadata = metadata?;
    let rpc = Rpc { path: &path, kind, deadline };
    if kind.client_streams() {
        let mut inbound = Some(inbound);
        let answer = shared.entry.open(rpc, &metadata, BytesCodec, || of_client(inbound.take())).await?;
        return Ok((answer, admitted));
    }
    let ended = deadline.min(Deadline::after(shared.limits.body_timeout));
    let message = timeout_at(ended.instant(), inbound.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the request did not end in time"))??
        .ok_or_else(|| Status::internal("the request has no message"))?;
    let requests = || stream::once(std::future::ready(message.clone()));
    Ok((shared.entry.open(rpc, &metadata, BytesCodec, requests).await?, admitted))
}

/// A client's messages. Where it fails half-way the stream does not end, for an end would pass for a whole request: the
/// call is cancelled with the client, or by its deadline.
fn of_client(inbound: Option<Streaming<Bytes>>) -> impl futures_util::Stream<Item = Bytes> + Send {
    stream::unfold(inbound, async |inbound| {
        let mut inbound = inbound?;
        match inbound.message().await {
            Ok(message) => message.map(|message| (message, Some(inbound))),
            Err(error) => {
                tracing::debug!(%error, "a client's stream broke off");
                std::future::pending().await
            }
        }
    })
}

impl Answering {
    /// A message, or the end where there is something to say with it; and whether anything follows.
    async fn next(&mut self) -> Option<(Result<Bytes, Status>, bool)> {
        match self.answer.step().await {
            Step::Message(message) => Some((Ok(message), true)),
            Step::End(trailers) => {
                self.end(Ok(()));
                let trailers = crossing(&trailers.into_headers());
                // A status of OK as an "error" is how tonic's server takes trailers that are not its own.
                let last = Status::with_metadata(Code::Ok, "", MetadataMap::from_headers(trailers));
                (!last.metadata().is_empty()).then_some((Err(last), false))
            }
            Step::Failed(status) => {
                let status = passed(status);
                self.end(Err(&status));
                Some((Err(status), false))
            }
        }
    }

    fn end(&mut self, outcome: Result<(), &Status>) {
        if let Some(tally) = self.tally.take() {
            tally.end(outcome);
        }
    }
}

impl Drop for Answering {
    /// An answer that nobody reads is dropped at its deadline: then that is how its call ended.
    fn drop(&mut self) {
        if self.answer.deadline().has_passed() {
            self.end(Err(&CallError::deadline_passed().status));
        }
    }
}

impl Tally {
    fn end(self, outcome: Result<(), &Status>) {
        let code = outcome.err().map_or(Code::Ok, Status::code);
        if let Some(told) = self.outcome {
            told.tell(code);
        }
        self.call.end(code);
        self.span.end(outcome);
    }
}

/// A status with what of its metadata crosses.
fn passed(mut status: Status) -> Status {
    let metadata = std::mem::take(status.metadata_mut());
    *status.metadata_mut() = MetadataMap::from_headers(crossing(&metadata.into_headers()));
    status
}

/// An answer's metadata as a client may have them: what belongs to the protocol, or speaks to browsers in the edge's
/// name, stays behind.
fn crossing(metadata: &HeaderMap) -> HeaderMap {
    let mut crossing = HeaderMap::with_capacity(metadata.len());
    for (name, value) in metadata {
        let speaks_for_the_edge = *name == header::SET_COOKIE || name.as_str().starts_with("access-control-");
        if !speaks_for_the_edge && !crate::transcode::is_protocol(name) {
            crossing.append(name.clone(), value.clone());
        }
    }
    crossing
}
