use octet_gateway::transcode::{error_json, http_status};
use prost::Message;
use prost_reflect::DescriptorPool;
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

/// The detail of an error, written by a gateway that serves nothing.
fn detail(type_url: &str, value: Vec<u8>) -> Value {
    let detail = Any { type_url: type_url.to_owned(), value };
    let status = Status { code: 3, message: String::new(), details: vec![detail] };
    let body = error_json(&DescriptorPool::new(), Code::NotFound, "", &status.encode_to_vec());
    serde_json::from_slice::<Value>(&body).unwrap()["details"][0].clone()
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
    let any = |type_url: &str, value: &[u8]| Any { type_url: type_url.to_owned(), value: value.to_vec() };
    let status = Status {
        code: 13,
        message: "not this one".to_owned(),
        details: vec![
            any("type.googleapis.com/library.v1.Shelf", &shelf),
            any("type.googleapis.com/google.rpc.Unknown", b"\x01"),
            // A duration of too many seconds has no JSON form.
            any("x/google.protobuf.Duration", b"\x08\xff\xff\xff\xff\xff\xff\x7f"),
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

/// Encodes fields by hand: a number, and text, or the encoding of a message.
fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, value) in fields {
        prost::encoding::bytes::encode(*number, &value.to_vec(), &mut bytes);
    }
    bytes
}

#[test]
fn details_of_google_rpc_are_fields_whatever_the_gateway_serves() {
    let text = |fields: &[(u32, &str)]| {
        message(&fields.iter().map(|(number, text)| (*number, text.as_bytes())).collect::<Vec<_>>())
    };
    let seconds = |seconds: u8| vec![0x08, seconds];
    let violation =
        [message(&[(1, b"s"), (2, b"d"), (6, &text(&[(1, "k"), (2, "v")]))]), vec![0x38, 5]].concat();
    let field = message(&[(1, b"f"), (2, b"d"), (3, b"R"), (4, &text(&[(1, "en"), (2, "m")]))]);
    for (name, value, expected) in [
        (
            "ErrorInfo",
            message(&[(1, b"R"), (2, b"d"), (3, &text(&[(1, "k"), (2, "v")]))]),
            json!({"reason": "R", "domain": "d", "metadata": {"k": "v"}}),
        ),
        ("RetryInfo", message(&[(1, &seconds(5))]), json!({"retryDelay": "5s"})),
        (
            "DebugInfo",
            text(&[(1, "a"), (1, "b"), (2, "d")]),
            json!({"stackEntries": ["a", "b"], "detail": "d"}),
        ),
        (
            "QuotaFailure",
            message(&[(1, &violation)]),
            json!({"violations": [{
                "subject": "s", "description": "d", "apiService": "", "quotaMetric": "", "quotaId": "",
                "quotaDimensions": {"k": "v"}, "quotaValue": "5",
            }]}),
        ),
        (
            "PreconditionFailure",
            message(&[(1, &text(&[(1, "t"), (2, "s"), (3, "d")]))]),
            json!({"violations": [{"type": "t", "subject": "s", "description": "d"}]}),
        ),
        (
            "BadRequest",
            message(&[(1, &field)]),
            json!({"fieldViolations": [{
                "field": "f", "description": "d", "reason": "R", "localizedMessage": {"locale": "en", "message": "m"},
            }]}),
        ),
        ("RequestInfo", text(&[(1, "i"), (2, "d")]), json!({"requestId": "i", "servingData": "d"})),
        (
            "ResourceInfo",
            text(&[(1, "t"), (2, "n"), (3, "o"), (4, "d")]),
            json!({"resourceType": "t", "resourceName": "n", "owner": "o", "description": "d"}),
        ),
        (
            "Help",
            message(&[(1, &text(&[(1, "d"), (2, "u")]))]),
            json!({"links": [{"description": "d", "url": "u"}]}),
        ),
        ("LocalizedMessage", text(&[(1, "en"), (2, "m")]), json!({"locale": "en", "message": "m"})),
    ] {
        let type_url = format!("type.googleapis.com/google.rpc.{name}");
        let mut expected = expected;
        expected["@type"] = json!(type_url);
        assert_eq!(detail(&type_url, value), expected, "{name}");
    }
}

#[test]
fn details_of_well_known_types_are_decoded() {
    let url = |name: &str| format!("type.googleapis.com/google.protobuf.{name}");
    for (name, value, expected) in [
        ("StringValue", b"\x0a\x01a".to_vec(), json!("a")),
        ("Duration", b"\x08\x01".to_vec(), json!("1s")),
        ("Empty", Vec::new(), json!({})),
        ("Struct", Vec::new(), json!({})),
    ] {
        assert_eq!(detail(&url(name), value), json!({"@type": url(name), "value": expected}), "{name}");
    }
}
