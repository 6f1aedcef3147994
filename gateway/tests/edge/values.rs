//! Values in JSON, metadata and paths that are wrong, or right in an unusual form: none changes silently.

use serde_json::{Value, json};

use crate::{
    client::{ask, get},
    gateway::Gateway,
};

async fn post(gateway: &Gateway, body: &str) -> (u16, Value) {
    let reply = ask(gateway, "POST", "/v1/everything", &[], body).await;
    (reply.status.as_u16(), reply.json())
}

#[tokio::test]
async fn unusual_json_values_keep_their_meaning() {
    let gateway = Gateway::start().await;
    for (body, field, expected) in [
        (r#"{"int64Value": 9007199254740993.0}"#, "int64Value", json!("9007199254740993")),
        (r#"{"int32Value": "1e2"}"#, "int32Value", json!(100)),
        (r#"{"floatValue": 3.4028235e38}"#, "floatValue", json!(3.402_823_5e38)),
        (r#"{"genre": 1.0}"#, "genre", json!("FICTION")),
        (r#"{"nullValue": 0}"#, "nullValue", json!(null)),
        (r#"{"empty": {"unknown": 1}}"#, "empty", json!({})),
        (r#"{"any": {}}"#, "any", json!({})),
        (
            r#"{"any": {"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}}}"#,
            "any",
            json!({"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}}),
        ),
        (r#"{"duration": "-4.5s"}"#, "duration", json!("-4.500s")),
    ] {
        let (status, reply) = post(&gateway, body).await;
        assert_eq!((status, &reply[field]), (200, &expected), "{body}: {reply}");
    }
}

#[tokio::test]
async fn json_values_that_would_change_are_refused() {
    let gateway = Gateway::start().await;
    for (body, expected) in [
        (
            r#"{"uint64Value": 18446744073709551616}"#,
            "`uint64Value`: \"18446744073709551616\" is not an unsigned 64-bit integer",
        ),
        (
            r#"{"int64Value": -9223372036854775809}"#,
            "`int64Value`: \"-9223372036854775809\" is not a 64-bit integer",
        ),
        (r#"{"int64Value": "9223372036854775808"}"#, "is not a 64-bit integer, from -9223372036854775808 to"),
        (
            r#"{"int32Value": "seven"}"#,
            "`int32Value`: \"seven\" is not a 32-bit integer, from -2147483648 to 2147483647",
        ),
        (r#"{"doubleValue": "1e309"}"#, "`doubleValue`: \"1e309\" is out of range"),
        (r#"{"floatValue": "3.5e38"}"#, "`floatValue`: \"3.5e38\" is out of range"),
        (r#"{"timestamp": "2016-12-31T23:59:60Z"}"#, "is not an RFC 3339 time"),
        (r#"{"timestamp": "2016-12-31T23:59:59.0123456789Z"}"#, "is not an RFC 3339 time"),
        (r#"{"duration": "1.0123456789s"}"#, "is not a duration in seconds, such as 1.5s"),
        (r#"{"fieldMask": "a,,b"}"#, "`fieldMask`: \"a,,b\" is not a comma-separated list of fields"),
        (r#"{"fieldMask": "foo-bar"}"#, "`fieldMask`: \"foo-bar\" is not a comma-separated list of fields"),
        (r#"{"stringValue": "a", "string_value": "b"}"#, "the field occurs more than once"),
    ] {
        let calls = gateway.library.calls();
        let (status, reply) = post(&gateway, body).await;
        let message = reply["message"].as_str().unwrap();
        assert_eq!((status, &reply["code"]), (400, &json!(3)), "{body}: {reply}");
        assert!(message.contains(expected), "{body}: {message}");
        assert!(!message.contains("found in string") && !message.contains("invalid type"), "{message}");
        assert_eq!(gateway.library.calls(), calls, "{body}: the service was called");
    }
}

#[tokio::test]
async fn a_body_that_would_decode_to_too_much_memory_is_413() {
    let gateway = Gateway::start().await;
    let body = format!("{{\"listValue\":[{}[]]}}", "[],".repeat(1024 * 1024 / 3 - 10));
    let (status, reply) = post(&gateway, &body).await;
    let message = reply["message"].as_str().unwrap();
    assert_eq!((status, &reply["code"]), (413, &json!(8)), "{reply}");
    assert!(message.contains("(32 times its length, and at least 4194304)"), "{message}");
    assert_eq!(gateway.library.calls(), 0);
    // As a query, which has no body to measure by.
    let query = format!("/v1/everything?value=[{}[]]", "%5B%5D,".repeat(8_500));
    let reply = get(&gateway, &query).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert_eq!(gateway.library.calls(), 0);

    let list = (0..1_000).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let (status, reply) = post(&gateway, &format!("{{\"listValue\":[{list}]}}")).await;
    assert_eq!((status, reply["listValue"].as_array().map(Vec::len)), (200, Some(1_000)));
}

#[tokio::test]
async fn metadata_headers_cannot_speak_for_a_proxy() {
    let gateway = Gateway::start().await;
    for name in [
        "X-Envoy-Max-Retries",
        "X-Envoy-Retry-On",
        "X-Real-Ip",
        "Forwarded",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-For",
        "X-Request-Id",
        "Traceparent",
        "Content-Type",
        "Host",
    ] {
        let header = format!("Grpc-Metadata-{name}");
        let reply = ask(&gateway, "GET", "/v1/shelves/one", &[(&header, "1")], "").await;
        assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (400, &json!(3)), "{name}");
        assert!(reply.text().contains(&header.to_ascii_lowercase()), "{}", reply.text());
    }
    assert_eq!(gateway.library.calls(), 0);

    let credentials = ("Grpc-Metadata-Authorization", "Bearer t");
    assert_eq!(ask(&gateway, "GET", "/v1/shelves/one", &[credentials], "").await.status, 200);
    assert_eq!(gateway.library.last()["authorization"], "Bearer t");
    let both = [credentials, ("Authorization", "Bearer u")];
    assert_eq!(ask(&gateway, "GET", "/v1/shelves/one", &both, "").await.status, 400);
}

#[tokio::test]
async fn an_escaped_slash_and_an_escaped_escape_are_different_paths() {
    let gateway = Gateway::start().await;
    for (path, expected) in [("a%2Fb", "a%2Fb"), ("a%252Fb", "a%252Fb"), ("a/b", "a/b"), ("100%25", "100%")] {
        let reply = get(&gateway, &format!("/v1/files/{path}")).await;
        assert_eq!(reply.json()["name"], expected, "{path}");
    }
}

#[tokio::test]
async fn details_of_an_error_are_fields() {
    let gateway = Gateway::start().await;
    let reply = get(&gateway, "/v1/shelves/fail-with-details").await;
    assert_eq!(reply.status, 503);
    let expected = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "5s"}]);
    assert_eq!(reply.json(), json!({"code": 14, "message": "asked for details", "details": expected}));
}
