use http::Method;
use octet_gateway::transcode::{Lookup, message_json};
use prost::Message;
use prost_reflect::{DynamicMessage, Value as Field};
use serde_json::{Value, json};

use crate::library::{from_json, message, pool, routes};

fn written(message: &DynamicMessage) -> Value {
    serde_json::from_slice(&message_json(message).unwrap()).unwrap()
}

#[test]
fn unset_fields_are_written_like_emit_unpopulated() {
    let empty = DynamicMessage::new(message("Everything"));
    let expected = r#"{
            "doubleValue": 0.0, "floatValue": 0.0, "int32Value": 0, "int64Value": "0", "uint32Value": 0,
            "uint64Value": "0", "sint32Value": 0, "sint64Value": "0", "fixed32Value": 0, "fixed64Value": "0",
            "sfixed32Value": 0, "sfixed64Value": "0", "boolValue": false, "stringValue": "", "bytesValue": "",
            "genre": "GENRE_UNSPECIFIED", "nested": null,
            "strings": [], "numbers": [], "genres": [], "nesteds": [], "durations": [],
            "labels": {}, "byNumber": {}, "byFlag": {}, "times": {},
            "timestamp": null, "duration": null, "fieldMask": null, "struct": null, "value": null,
            "listValue": null, "nullValue": null, "any": null, "empty": null,
            "wrappedDouble": null, "wrappedFloat": null, "wrappedInt64": null, "wrappedUint64": null,
            "wrappedInt32": null, "wrappedUint32": null, "wrappedBool": null, "wrappedString": null,
            "wrappedBytes": null, "otherName": ""
        }"#;
    assert_eq!(written(&empty), serde_json::from_str::<Value>(expected).unwrap());
}

#[test]
fn set_fields_are_proto3_json() {
    let json = json!({
        "doubleValue": "NaN", "floatValue": "-Infinity", "int64Value": "-9007199254740993",
        "uint64Value": "18446744073709551615", "bytesValue": "/+8=", "genre": "SCIENCE",
        "nested": {"text": "a", "below": null, "beside": [{"text": "b", "below": null, "beside": []}]},
        "genres": ["FICTION", 7],
        "labels": {"b": "2", "a": "1"},
        "byNumber": {"-1": {"text": "", "below": null, "beside": []}},
        "byFlag": {"false": "FICTION"},
        "choiceText": "", "maybeNumber": 0,
        "timestamp": "2024-02-29T12:00:00.500Z", "duration": "-1.500s", "fieldMask": "a.bC,d",
        "struct": {"n": null, "l": [1.0]}, "value": "v", "listValue": [true], "empty": {},
        "wrappedFloat": "NaN", "wrappedInt64": "5", "wrappedBytes": "/w==", "wrappedBool": false,
    });
    let mut object = written(&from_json("Everything", &json));
    let object = object.as_object_mut().unwrap();
    object.retain(|name, _| json.get(name).is_some());
    assert_eq!(Value::Object(object.clone()), json);
}

#[test]
fn a_map_is_written_in_the_order_of_its_keys() {
    let shelves: serde_json::Map<_, _> = (0..50).map(|number| (number.to_string(), json!({}))).collect();
    let message = from_json("Everything", &json!({"byNumber": shelves}));
    let text = String::from_utf8(message_json(&message).unwrap()).unwrap();
    let places: Vec<_> = (0..50).map(|number| text.find(&format!("\"{number}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn any_is_written_as_its_content() {
    let any = |type_url: &str, value: &[u8]| {
        let mut message = DynamicMessage::new(pool().get_message_by_name("google.protobuf.Any").unwrap());
        message.set_field_by_name("type_url", Field::String(type_url.to_owned()));
        message.set_field_by_name("value", Field::Bytes(value.to_vec().into()));
        message
    };
    let shelf = from_json("Shelf", &json!({"name": "7"})).encode_to_vec();
    let shelf_any = any("type.googleapis.com/library.v1.Shelf", &shelf);
    let second = any("x/google.protobuf.Duration", b"\x08\x01");
    for (message, expected) in [
        (&shelf_any, json!({"@type": "type.googleapis.com/library.v1.Shelf", "name": "7", "theme": ""})),
        (&second, json!({"@type": "x/google.protobuf.Duration", "value": "1s"})),
        (&any("", b""), json!({})),
        // Content that cannot be decoded.
        (&any("x/nobody.Knows", b"\xff"), json!({"@type": "x/nobody.Knows", "value": "/w=="})),
        (&any("x/library.v1.Shelf", b"\xff"), json!({"@type": "x/library.v1.Shelf", "value": "/w=="})),
        (
            &any("x/google.protobuf.Any", &shelf_any.encode_to_vec()),
            json!({"@type": "x/google.protobuf.Any", "value":
                {"@type": "type.googleapis.com/library.v1.Shelf", "name": "7", "theme": ""}}),
        ),
    ] {
        assert_eq!(&written(message), &expected);
    }

    // Each level is decoded separately, so the wire's limit does not apply.
    let mut deep = any("", b"");
    for _ in 0..1_000 {
        deep = any("x/google.protobuf.Any", &deep.encode_to_vec());
    }
    assert!(message_json(&deep).is_err());
}

#[test]
fn the_deepest_decodable_message_is_written() {
    let mut nested = DynamicMessage::new(message("Nested"));
    for _ in 0..98 {
        let mut above = DynamicMessage::new(message("Nested"));
        above.set_field_by_name("below", Field::Message(nested));
        nested = above;
    }
    let received = DynamicMessage::decode(message("Nested"), nested.encode_to_vec().as_slice()).unwrap();
    assert!(message_json(&received).is_ok());
}

#[test]
fn a_value_without_a_json_form_is_an_internal_error_without_details() {
    let mut late = DynamicMessage::new(pool().get_message_by_name("google.protobuf.Timestamp").unwrap());
    late.set_field_by_name("seconds", Field::I64(i64::MAX));
    late.set_field_by_name("nanos", Field::I32(i32::MIN));
    let error = message_json(&late).unwrap_err();
    assert_eq!(error.to_string(), "the response cannot be written as JSON");
    assert_eq!(tonic::Status::from(error).code(), tonic::Code::Internal);
}

#[test]
fn a_field_mask_that_json_cannot_express_is_an_error() {
    let mask = |paths: &[&str]| {
        let mut mask = DynamicMessage::new(pool().get_message_by_name("google.protobuf.FieldMask").unwrap());
        let paths = paths.iter().map(|path| Field::String((*path).to_owned())).collect();
        mask.set_field_by_name("paths", Field::List(paths));
        message_json(&mask).map(|json| String::from_utf8(json).unwrap()).ok()
    };
    assert_eq!(mask(&["a_b.c", "d"]).as_deref(), Some(r#""aB.c,d""#));
    for irreversible in ["", "a,b", "a_", "a_.b", "aB", "a__b", "a_1"] {
        assert_eq!(mask(&[irreversible]), None, "{irreversible}");
    }
}

#[test]
fn response_body_selects_a_field() {
    let response = |target: &str, name: &str, json: Value| {
        let Lookup::Found(found) = routes().find(&Method::GET, target) else {
            panic!("the route exists");
        };
        let written = found.binding().response_json(&from_json(name, &json)).unwrap();
        serde_json::from_slice::<Value>(&written).unwrap()
    };
    let shelves = json!({"shelves": [{"name": "a"}], "nextPageToken": "t"});
    assert_eq!(response("/v1/shelves", "ListShelvesResponse", shelves), json!([{"name": "a", "theme": ""}]));
    assert_eq!(response("/v1/shelves", "ListShelvesResponse", json!({})), json!([]));
    // An unset message is written as an empty one, as in grpc-gateway, so that clients always get an object.
    assert_eq!(
        response("/v1/files/a", "ReadFileResponse", json!({})),
        json!({"name": "", "title": "", "author": null, "tags": [], "published": null})
    );
}
