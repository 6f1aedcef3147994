//! The bytes of `grpc-status-details-bin` from an upstream, and the error body that a client receives.

use octet_gateway::transcode::error_json;
use prost::Message;
use serde_json::Value;
use tonic::Code;

use crate::{checks::lossy, library::LIBRARY};

/// The part of `google.rpc.Status` that is used.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

pub(crate) fn run(bytes: &[u8]) {
    // The message is percent-decoded from a header, so it can be any text.
    let message = lossy(bytes);
    let written = error_json(&LIBRARY.0, Code::NotFound, &message, bytes);
    let body: Value = serde_json::from_slice(&written).unwrap_or_else(|error| panic!("not JSON: {error}"));
    assert_eq!(body["code"], 5);
    assert_eq!(body["message"], message);
    let shown = body["details"].as_array().expect("details are a list");

    let details = Status::decode(bytes).unwrap_or_default().details;
    assert_eq!(shown.len(), details.len());
    for (shown, detail) in shown.iter().zip(details) {
        if detail != Any::default() {
            assert_eq!(shown["@type"], detail.type_url, "{shown}");
        }
    }
}
