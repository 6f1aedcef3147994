use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use octet_gateway::transcode::{Lookup, message_json};
use prost::Message;
use serde_json::{Value, json};
use tonic::{Code, body::Body, client::Grpc};

use crate::library::{from_json, routes};

/// Calls `CreateShelf` by its binding. The server responds with `response`.
async fn call(response: &[u8]) -> Result<Value, tonic::Status> {
    let Lookup::Found(found) = routes().find(&Method::POST, "/v1/shelves") else {
        panic!("the route exists");
    };
    let request = found.encoded_request(None, br#"{"name":"7"}"#).unwrap();
    let expected = frame(&from_json("CreateShelfRequest", &json!({"shelf": {"name": "7"}})).encode_to_vec());
    let response = frame(response);

    let server = tower::service_fn(move |request: Request<Body>| {
        let (expected, response) = (expected.clone(), response.clone());
        async move {
            assert_eq!(request.uri().path(), "/library.v1.Library/CreateShelf");
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), expected);
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(0))]);
            let body = Full::new(response).with_trailers(async { Some(Ok::<_, Infallible>(trailers)) });
            Ok::<_, Infallible>(Response::new(body))
        }
    });
    let binding = found.binding();
    let mut client = Grpc::new(server);
    let response =
        client.unary(tonic::Request::new(request), binding.grpc_path().clone(), binding.codec()).await?;
    let json = binding.response_json(response.get_ref()).unwrap();
    Ok(serde_json::from_slice(&json).unwrap())
}

/// gRPC's length-prefixed message, uncompressed.
fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

#[tokio::test]
async fn a_generic_client_calls_any_unary_method() {
    let shelf = from_json("Shelf", &json!({"name": "7", "theme": "sea"}));
    assert_eq!(call(&shelf.encode_to_vec()).await.unwrap(), json!({"name": "7", "theme": "sea"}));
    assert_eq!(message_json(&shelf).unwrap(), br#"{"name":"7","theme":"sea"}"#);
}

#[tokio::test]
async fn an_undecodable_response_is_an_internal_error() {
    assert_eq!(call(b"\xff").await.unwrap_err().code(), Code::Internal);
}
