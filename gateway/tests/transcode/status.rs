use octet_gateway::transcode::{error_json, http_status};
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;
use wire::{Any, Status};

use crate::library::{from_json, pool};

/// `google.rpc.Status`, as an upstream writes it.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Status {
        #[prost(int32, tag = "1")]
        pub(super) code: i32,
        #[prost(string, tag = "2")]
        pub(super) message: String,
        #[prost(message, repeated, tag = "3")]
        pub(super) details: Vec<Any>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Any {
        #[prost(string, tag = "1")]
        pub(super) type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) value: Vec<u8>,
    }
}

#[test]
fn every_code_has_its_http_status() {
    let statuses: Vec<u16> = (0..=16).map(|code| http_status(Code::from(code)).as_u16()).collect();
    assert_eq!(
        statuses,
        [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]
    );
}

fn body(details: &[u8]) -> Value {
    serde_json::from_slice(&error_json(pool(), Code::NotFound, "no \"shelf\"\n", details)).unwrap()
}

#[test]
fn an_error_body_has_code_message_and_details() {
    assert_eq!(
        error_json(pool(), Code::NotFound, "gone", b""),
        br#"{"code":5,"message":"gone","details":[]}"#
    );
    assert_eq!(body(b""), json!({"code": 5, "message": "no \"shelf\"\n", "details": []}));
    assert_eq!(body(b"\xff\xff"), json!({"code": 5, "message": "no \"shelf\"\n", "details": []}));
}

#[test]
fn details_of_known_types_are_decoded() {
    let shelf = from_json("Shelf", &json!({"name": "7"})).encode_to_vec();
    let detail = |type_url: &str, value: &[u8]| Any { type_url: type_url.to_owned(), value: value.to_vec() };
    let status = Status {
        code: 13,
        message: "not this one".to_owned(),
        details: vec![
            detail("type.googleapis.com/library.v1.Shelf", &shelf),
            detail("type.googleapis.com/google.rpc.Unknown", b"\x01"),
            // A duration of too many seconds has no JSON form.
            detail("x/google.protobuf.Duration", b"\x08\xff\xff\xff\xff\xff\xff\x7f"),
        ],
    };
    assert_eq!(
        body(&status.encode_to_vec())["details"],
        json!([
            {"@type": "type.googleapis.com/library.v1.Shelf", "name": "7", "theme": ""},
            {"@type": "type.googleapis.com/google.rpc.Unknown", "value": "AQ=="},
            {"@type": "x/google.protobuf.Duration", "value": "CP///////38="},
        ])
    );
}
