//! Calls the entry service, for REST and gRPC alike.

use std::{collections::HashSet, sync::Arc};

use axum::http::{HeaderMap, header, request::Parts, uri::Authority};
use bytes::Bytes;
use http::uri::PathAndQuery;
use octet_runtime::{
    admin::is_local,
    deadline::Deadline,
    failure_path,
    faults::{FAULT, Faults},
    metadata,
    metrics::RpcKind,
    propagation::{Propagation, X_REQUEST_ID},
    serve::Peer,
    upstream::{CallError, Failure, GrpcChannel, Upstream},
};
use prost_reflect::MethodDescriptor;
use tokio::{sync::oneshot, time::timeout_at};
use tonic::{Status, Streaming, client::Grpc, codec::Codec, metadata::MetadataMap};

use crate::{
    admit::{Caller, Turns},
    edge::Proxied,
    ending::Ending,
    transcode::{self, Client, RequestError},
};

/// The largest metadata that is sent, in bytes: what services accept, less what is added to each call (deadline, trace
/// headers, gRPC's own headers). All clients share one connection, and larger metadata could end it for all of them.
const MAX_METADATA: usize = metadata::LIMIT - 1024;

/// Why a request cannot be turned into a call's metadata.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error(transparent)]
    Malformed(#[from] RequestError),
    #[error("metadata of {0} bytes exceeds the limit of {MAX_METADATA} bytes")]
    TooLarge(usize),
    /// The faults that the request asks for are refused.
    #[error("{0}")]
    Fault(Box<Status>),
}

impl From<MetadataError> for Status {
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::Malformed(error) => error.into(),
            MetadataError::TooLarge(_) => Self::resource_exhausted(error.to_string()),
            MetadataError::Fault(status) => *status,
        }
    }
}

/// The entry service, and which headers are sent to it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) upstream: Upstream,
    pub(crate) names: Arc<Names>,
    pub(crate) propagation: Propagation,
    pub(crate) faults: Faults,
    pub(crate) turns: Turns,
}

/// The RPC to call, and its deadline.
#[derive(Clone, Copy)]
pub(crate) struct Rpc<'a> {
    pub(crate) path: &'a PathAndQuery,
    pub(crate) kind: RpcKind,
    pub(crate) deadline: Deadline,
    pub(crate) caller: Caller,
}

/// The messages of a response whose head has arrived.
pub(crate) struct ResponseStream<T> {
    metadata: MetadataMap,
    messages: Streaming<T>,
    deadline: Deadline,
    names: Arc<Names>,
    ending: Ending,
    interrupt: Interrupt,
}

/// Ends a call with a status, for example when its client's stream has failed.
pub(crate) struct Interrupt(Option<oneshot::Receiver<Status>>);

impl Interrupt {
    pub(crate) fn new() -> (oneshot::Sender<Status>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Some(receiver)))
    }

    /// For a call that nothing interrupts.
    pub(crate) fn never() -> Self {
        Self(None)
    }

    /// Resolves when the call is to end.
    async fn received(&mut self) -> Status {
        if let Some(receiver) = &mut self.0 {
            let received = receiver.await;
            // It must not be polled again.
            self.0 = None;
            if let Ok(status) = received {
                return status;
            }
        }
        std::future::pending().await
    }
}

/// What a response stream yields next.
pub(crate) enum Event<T> {
    Message(T),
    /// The end, with its trailers.
    End(MetadataMap),
    Failed(Status),
}

/// Which sides of `rpc` stream.
pub(crate) fn kind(rpc: &MethodDescriptor) -> RpcKind {
    match (rpc.is_client_streaming(), rpc.is_server_streaming()) {
        (false, false) => RpcKind::Unary,
        (false, true) => RpcKind::ServerStream,
        (true, false) => RpcKind::ClientStream,
        (true, true) => RpcKind::BidiStream,
    }
}

impl Entry {
    /// The metadata of the call: the headers that docs/gateway.md lets pass, and the request's id.
    pub(crate) fn metadata(&self, parts: &Parts) -> Result<HeaderMap, MetadataError> {
        let client = Client {
            peer: parts.extensions.get::<Peer>().map(|peer| peer.0.ip()),
            authority: parts
                .uri
                .authority()
                .map(Authority::as_str)
                .or_else(|| parts.headers.get(header::HOST)?.to_str().ok()),
        };
        let carries = |name: &http::HeaderName| name == X_REQUEST_ID || self.propagation.carries(name);
        let mut metadata = transcode::request_metadata(&parts.headers, client, carries)?;
        if parts.headers.contains_key(FAULT) {
            // Read from the request: what it asks for does not pass by itself.
            let mut headers = parts.headers.clone();
            let sent = self.faults.admit(&mut headers, |_| is_near(parts));
            sent.map_err(|status| MetadataError::Fault(Box::new(status)))?.carry_to(&mut metadata);
        }
        match metadata::size(&metadata) {
            size if size > MAX_METADATA => Err(MetadataError::TooLarge(size)),
            _ => Ok(metadata),
        }
    }

    /// The status of a call whose deadline has passed.
    pub(crate) fn deadline_passed(&self) -> Status {
        self.names.status(CallError::deadline_passed())
    }

    /// Calls the RPC, with messages that `requests` creates for each attempt. `ending` ends with the call, also if it
    /// fails here, or with `interrupt`.
    ///
    /// # Errors
    /// The entry service's own status; a status about the way to it names the service.
    pub(crate) async fn open<C, S>(
        &self,
        rpc: Rpc<'_>,
        metadata: &HeaderMap,
        codec: C,
        mut requests: impl FnMut() -> S,
        mut ending: Ending,
        mut interrupt: Interrupt,
    ) -> Result<ResponseStream<C::Decode>, Status>
    where
        C: Codec + Clone + Send + 'static,
        S: futures_util::Stream<Item = C::Encode> + Send + 'static,
        C::Encode: Sync,
        C::Decode: Sync,
    {
        let Rpc { path, kind, deadline, caller } = rpc;
        let attempt = |channel: GrpcChannel, headers| {
            let mut request = tonic::Request::new(requests());
            *request.metadata_mut() = MetadataMap::from_headers(headers);
            let codec = codec.clone();
            // Boxed because it is large: every future around it would grow and be moved with it.
            Box::pin(async move {
                let mut client = Grpc::new(channel);
                client.ready().await.map_err(Status::from_error)?;
                client.streaming(request, path.clone(), codec).await
            })
        };
        let call = async {
            // Until the response's head has arrived: the services have done their work.
            let _turn = self.turns.take(caller, deadline).await;
            self.upstream.start(path.as_str(), kind, deadline, metadata, attempt).await
        };
        let opened = tokio::select! {
            opened = ending.scope(call) => opened.map_err(|error| self.names.status(error)),
            status = interrupt.received() => Err(status),
        };
        match opened {
            Ok((response, in_flight)) => {
                ending.called(in_flight, deadline);
                let (metadata, messages, _) = response.into_parts();
                Ok(ResponseStream {
                    metadata,
                    messages,
                    deadline,
                    names: self.names.clone(),
                    ending,
                    interrupt,
                })
            }
            Err(status) => {
                ending.end(Err(&status));
                Err(status)
            }
        }
    }
}

/// Whether the request comes from this host, and not through a proxy.
fn is_near(parts: &Parts) -> bool {
    is_local(parts) && parts.extensions.get::<Proxied>().is_none()
}

/// Names the service that failed in the messages of failed calls.
pub(crate) struct Names {
    pub(crate) entry: String,
    /// The names that a path in a message consists of.
    pub(crate) services: HashSet<String>,
}

impl Names {
    /// Adds the entry service's name to the path in the message of its own status, and to the message of one about the way
    /// to it. Its other messages stay unchanged.
    fn status(&self, error: CallError) -> Status {
        let CallError { mut status, failure } = error;
        match failure {
            Failure::Answered => {
                let is_service = |name: &str| self.services.contains(name);
                let Some(message) = failure_path::extended(&self.entry, status.message(), is_service) else {
                    return status;
                };
                let metadata = std::mem::take(status.metadata_mut());
                let details = Bytes::copy_from_slice(status.details());
                Status::with_details_and_metadata(status.code(), message, details, metadata)
            }
            Failure::NotProcessed
            | Failure::Interrupted
            | Failure::InvalidResponse
            | Failure::DeadlinePassed => {
                Status::new(status.code(), format!("{}: {}", self.entry, status.message()))
            }
        }
    }
}

impl<T> ResponseStream<T> {
    /// Takes the metadata that came with the head.
    pub(crate) fn take_metadata(&mut self) -> HeaderMap {
        std::mem::take(&mut self.metadata).into_headers()
    }

    /// The next event; a failure ends the call.
    pub(crate) async fn next(&mut self) -> Event<T> {
        let Self { messages, deadline, names, interrupt, .. } = self;
        let read = async {
            match messages.message().await? {
                Some(message) => Ok(Event::Message(message)),
                None => Ok(Event::End(messages.trailers().await?.unwrap_or_default())),
            }
        };
        let failed = |error| Event::Failed(names.status(error));
        let event = tokio::select! {
            read = timeout_at(deadline.instant(), read) => match read {
                Ok(Ok(event)) => event,
                Ok(Err(status)) => failed(CallError::from_status(status)),
                Err(_) => failed(CallError::deadline_passed()),
            },
            status = interrupt.received() => Event::Failed(status),
        };
        if let Event::Failed(status) = &event {
            self.ending.end(Err(status));
        }
        event
    }

    /// Ends the call, unless it has ended already.
    pub(crate) fn end(&mut self, result: Result<(), &Status>) {
        self.ending.end(result);
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }
}
