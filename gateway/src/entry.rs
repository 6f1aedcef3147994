//! The way to the entry service: one call of any kind, for REST and gRPC alike.

use axum::http::{HeaderMap, header, request::Parts, uri::Authority};
use http::uri::PathAndQuery;
use octet_runtime::{
    deadline::Deadline,
    metadata,
    metrics::RpcKind,
    propagation::{Propagation, X_REQUEST_ID},
    serve::Peer,
    upstream::{CallError, Failure, GrpcChannel, InFlight, Upstream},
};
use prost_reflect::MethodDescriptor;
use tokio::time::timeout_at;
use tonic::{Status, Streaming, client::Grpc, codec::Codec, metadata::MetadataMap};

use crate::transcode::{self, Client, RequestError};

/// Bytes of the largest metadata that are sent: what services take, less what is added to each call (its deadline, its
/// trace, gRPC's own headers). All clients share one connection, and larger metadata could end it for all of them.
const LARGEST_METADATA: usize = metadata::LIMIT - 1024;

/// Why a request has no metadata to call with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error(transparent)]
    Malformed(#[from] RequestError),
    #[error("metadata of {0} bytes: at most {LARGEST_METADATA} are taken")]
    TooLarge(usize),
}

impl From<MetadataError> for Status {
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::Malformed(error) => error.into(),
            MetadataError::TooLarge(_) => Self::resource_exhausted(error.to_string()),
        }
    }
}

/// The entry service, and what crosses to it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) upstream: Upstream,
    pub(crate) propagation: Propagation,
}

/// What is called, and until when.
#[derive(Clone, Copy)]
pub(crate) struct Rpc<'a> {
    pub(crate) path: &'a PathAndQuery,
    pub(crate) kind: RpcKind,
    pub(crate) deadline: Deadline,
}

/// An answer that has begun.
pub(crate) struct Answer<T> {
    metadata: MetadataMap,
    messages: Streaming<T>,
    deadline: Deadline,
    entry: String,
    in_flight: Option<InFlight>,
}

/// What comes next of an answer.
pub(crate) enum Step<T> {
    /// A message.
    Message(T),
    /// The end, with its trailers.
    End(MetadataMap),
    /// The end, with its error.
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
    /// The metadata of the call: what GATEWAY.md lets through, and the id that the edge gave the request.
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
        let metadata = transcode::request_metadata(&parts.headers, client, carries)?;
        match metadata::size(&metadata) {
            size if size > LARGEST_METADATA => Err(MetadataError::TooLarge(size)),
            _ => Ok(metadata),
        }
    }

    /// What is said of a call when its deadline has passed.
    pub(crate) fn deadline_passed(&self) -> Status {
        named(self.upstream.name(), CallError::deadline_passed())
    }

    /// Calls with messages that `requests` makes anew for each attempt.
    ///
    /// # Errors
    /// The entry's own status as it is; one about the way to it names it.
    pub(crate) async fn open<C, S>(
        &self,
        rpc: Rpc<'_>,
        metadata: &HeaderMap,
        codec: C,
        mut requests: impl FnMut() -> S,
    ) -> Result<Answer<C::Decode>, Status>
    where
        C: Codec + Clone + Send + 'static,
        S: futures_util::Stream<Item = C::Encode> + Send + 'static,
        C::Encode: Sync,
        C::Decode: Sync,
    {
        let Rpc { path, kind, deadline } = rpc;
        let attempt = |channel: GrpcChannel, headers| {
            let mut request = tonic::Request::new(requests());
            *request.metadata_mut() = MetadataMap::from_headers(headers);
            let codec = codec.clone();
            // Boxed, for it is large, and every future around it would be moved about with it.
            Box::pin(async move {
                let mut client = Grpc::new(channel);
                client.ready().await.map_err(Status::from_error)?;
                client.streaming(request, path.clone(), codec).await
            })
        };
        let name = self.upstream.name();
        let opened = self.upstream.start(path.as_str(), kind, deadline, metadata, attempt).await;
        let (response, in_flight) = opened.map_err(|error| named(name, error))?;
        let (metadata, messages, _) = response.into_parts();
        Ok(Answer { metadata, messages, deadline, entry: name.to_owned(), in_flight: Some(in_flight) })
    }
}

impl<T> Answer<T> {
    /// What came with its head.
    pub(crate) fn metadata(&mut self) -> HeaderMap {
        std::mem::take(&mut self.metadata).into_headers()
    }

    /// What comes next. After an end there is nothing more to ask for.
    pub(crate) async fn step(&mut self) -> Step<T> {
        let step = match timeout_at(self.deadline.instant(), self.read()).await {
            Ok(Ok(Some(message))) => return Step::Message(message),
            Ok(Ok(None)) => match timeout_at(self.deadline.instant(), self.messages.trailers()).await {
                Ok(Ok(trailers)) => Step::End(trailers.unwrap_or_default()),
                Ok(Err(status)) => Step::Failed(named(&self.entry, CallError::from_status(status))),
                Err(_) => Step::Failed(named(&self.entry, CallError::deadline_passed())),
            },
            Ok(Err(status)) => Step::Failed(named(&self.entry, CallError::from_status(status))),
            Err(_) => Step::Failed(named(&self.entry, CallError::deadline_passed())),
        };
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.end(match &step {
                Step::Failed(status) => Err(status),
                Step::Message(_) | Step::End(_) => Ok(()),
            });
        }
        step
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    async fn read(&mut self) -> Result<Option<T>, Status> {
        self.messages.message().await
    }
}

impl<T> Drop for Answer<T> {
    /// An answer that nobody reads is dropped at its deadline: then that is how its call ended.
    fn drop(&mut self) {
        if let Some(in_flight) = self.in_flight.take().filter(|_| self.deadline.has_passed()) {
            in_flight.end(Err(&CallError::deadline_passed().status));
        }
    }
}

/// A status of the entry's own is told as it is; one about the way to it names it.
fn named(entry: &str, error: CallError) -> Status {
    match error.failure {
        Failure::Answered => error.status,
        Failure::NotProcessed | Failure::Interrupted | Failure::InvalidResponse | Failure::DeadlinePassed => {
            Status::new(error.status.code(), format!("{entry}: {}", error.status.message()))
        }
    }
}
