//! Requests with a payload: a `greeting.v3.GreetingRequest` with bytes in a field that its readers skip.

use http::uri::PathAndQuery;
use hyper::body::Bytes;
use octet_proto::greeting::v3::{Greeting, GreetingResponse};
use octet_runtime::upstream::GrpcChannel;
use tonic::{Response, Status, Streaming, client::Grpc, metadata::MetadataMap};
use tonic_prost::ProstCodec;

use crate::{
    rpc::{GREETING, GREETING_STREAM},
    settings::MAX_ANSWER,
};

/// The request with its payload. The contract reserves the field's number.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Request {
    #[prost(message, optional, tag = "1")]
    pub(crate) greeting: Option<Greeting>,
    #[prost(bytes = "bytes", optional, tag = "15")]
    pub(crate) padding: Option<Bytes>,
}

/// Calls the upstream with it.
pub(crate) async fn greeting(
    channel: GrpcChannel,
    metadata: MetadataMap,
    request: Request,
) -> Result<Response<GreetingResponse>, Status> {
    let (mut client, request) = prepared(channel, metadata, request).await?;
    let codec: ProstCodec<Request, GreetingResponse> = ProstCodec::default();
    client.unary(request, PathAndQuery::from_static(GREETING), codec).await
}

/// As [`greeting`], for a response that streams.
pub(crate) async fn greeting_stream(
    channel: GrpcChannel,
    metadata: MetadataMap,
    request: Request,
) -> Result<Response<Streaming<Greeting>>, Status> {
    let (mut client, request) = prepared(channel, metadata, request).await?;
    let codec: ProstCodec<Request, Greeting> = ProstCodec::default();
    client.server_streaming(request, PathAndQuery::from_static(GREETING_STREAM), codec).await
}

async fn prepared(
    channel: GrpcChannel,
    metadata: MetadataMap,
    request: Request,
) -> Result<(Grpc<GrpcChannel>, tonic::Request<Request>), Status> {
    let mut client = Grpc::new(channel).max_decoding_message_size(MAX_ANSWER);
    client.ready().await.map_err(Status::from_error)?;
    let mut request = tonic::Request::new(request);
    *request.metadata_mut() = metadata;
    Ok((client, request))
}
