//! One gRPC call, relayed from the client to the entry service and back.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http::{HeaderMap, header, uri::PathAndQuery};
use octet_runtime::{
    deadline::{Deadline, MalformedTimeout},
    metrics::RpcKind,
};
use tokio::time::timeout_at;
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataMap};
use tower::Service;

use super::{
    Shared,
    inbound::{Account, Outbound},
};
use crate::{
    admit::{Caller, Permit},
    bytes_codec::BytesCodec,
    ending::Ending,
    entry::{Event, Interrupt, MetadataError, ResponseStream, Rpc},
};

/// The messages of a response.
type Messages = BoxStream<'static, Result<Bytes, Status>>;

/// A call that has not been made yet.
pub(super) struct Relay {
    pub(super) shared: Arc<Shared>,
    pub(super) path: PathAndQuery,
    pub(super) kind: RpcKind,
    pub(super) caller: Caller,
    /// For the messages of a client that streams.
    pub(super) account: Account,
    pub(super) deadline: Result<Deadline, MalformedTimeout>,
    pub(super) metadata: Result<HeaderMap, MetadataError>,
    pub(super) ending: Ending,
}

/// A request that has been read as far as needed to call the entry service.
struct Call {
    permit: Permit,
    deadline: Deadline,
    metadata: HeaderMap,
    messages: Inbound,
}

enum Inbound {
    One(Bytes),
    Stream(Streaming<Bytes>),
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
            let response: BoxFuture<'static, _> = Box::pin(async move {
                let relay = relay.ok_or_else(|| Status::internal("the call was started twice"))?;
                relay.answer(request.into_inner()).await
            });
            response
        })
    }

    async fn answer(self, inbound: Streaming<Bytes>) -> Result<Response<Messages>, Status> {
        let mut stream = self.open(inbound).await.map_err(with_passing_metadata)?;
        let mut response = Response::new(());
        *response.metadata_mut() = MetadataMap::from_headers(passing(&stream.take_metadata()));
        let messages = stream::unfold(Some(Box::new(stream)), async |stream| {
            let mut stream = stream?;
            let (item, continues) = next(&mut stream).await?;
            Some((item, continues.then_some(stream)))
        });
        Ok(response.map(|()| messages.boxed()))
    }

    async fn open(self, inbound: Streaming<Bytes>) -> Result<ResponseStream<Bytes>, Status> {
        let Self { shared, path, kind, caller, account, deadline, metadata, mut ending } = self;
        let admit = |message: usize| {
            shared.admit.admit(caller, message).map_err(|refused| Status::unavailable(refused.to_string()))
        };
        let call = match prepare(&shared, kind, admit, deadline, metadata, inbound).await {
            Ok(call) => call,
            Err(status) => {
                ending.fail(&status, None);
                return Err(status);
            }
        };
        ending.admitted(call.permit);
        let rpc = Rpc { path: &path, kind, deadline: call.deadline, caller };
        match call.messages {
            Inbound::One(message) => {
                let requests = || stream::once(std::future::ready(message.clone()));
                shared.entry.open(rpc, &call.metadata, BytesCodec, requests, ending, Interrupt::never()).await
            }
            Inbound::Stream(inbound) => {
                let (outbound, interrupt) = Outbound::new(inbound, account);
                let requests = || outbound.messages();
                shared.entry.open(rpc, &call.metadata, BytesCodec, requests, ending, interrupt).await
            }
        }
    }
}

async fn prepare(
    shared: &Shared,
    kind: RpcKind,
    admit: impl Fn(usize) -> Result<Permit, Status>,
    deadline: Result<Deadline, MalformedTimeout>,
    metadata: Result<HeaderMap, MetadataError>,
    mut inbound: Streaming<Bytes>,
) -> Result<Call, Status> {
    let deadline = deadline.map_err(|error| Status::invalid_argument(error.to_string()))?;
    let metadata = metadata?;
    if kind.client_streams() {
        return Ok(Call { permit: admit(0)?, deadline, metadata, messages: Inbound::Stream(inbound) });
    }
    let end = deadline.min(Deadline::after(shared.limits.body_timeout));
    let message = timeout_at(end.instant(), inbound.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the request message did not arrive in time"))??
        .ok_or_else(|| Status::internal("the request has no message"))?;
    // Only now: a client that sends its message slowly must not hold a permit.
    Ok(Call { permit: admit(message.len())?, deadline, metadata, messages: Inbound::One(message) })
}

/// A message, or the end if there is anything to send with it; and whether anything follows.
async fn next(stream: &mut ResponseStream<Bytes>) -> Option<(Result<Bytes, Status>, bool)> {
    match stream.next().await {
        Event::Message(message) => Some((Ok(message), true)),
        Event::End(trailers) => {
            stream.end(Ok(()));
            let trailers = passing(&trailers.into_headers());
            // tonic's server accepts custom trailers only as the metadata of an "error" with code OK.
            let last = Status::with_metadata(Code::Ok, "", MetadataMap::from_headers(trailers));
            (!last.metadata().is_empty()).then_some((Err(last), false))
        }
        Event::Failed(status) => Some((Err(with_passing_metadata(status)), false)),
    }
}

/// A status without the metadata that must not reach the client.
fn with_passing_metadata(mut status: Status) -> Status {
    let metadata = std::mem::take(status.metadata_mut());
    *status.metadata_mut() = MetadataMap::from_headers(passing(&metadata.into_headers()));
    status
}

/// The response metadata that may reach the client: without the protocol's own names, and without headers by which a
/// service would speak to browsers on the gateway's behalf.
fn passing(metadata: &HeaderMap) -> HeaderMap {
    let mut passing = HeaderMap::with_capacity(metadata.len());
    for (name, value) in metadata {
        let is_for_browsers = *name == header::SET_COOKIE || name.as_str().starts_with("access-control-");
        if !is_for_browsers && !crate::transcode::is_protocol(name) {
            passing.append(name.clone(), value.clone());
        }
    }
    passing
}
