//! A case for every line of `docs/gateway.md`.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    client::{Reply, ask},
    gateway::Gateway,
};

/// A request and the expected response.
struct Case {
    /// Part of the line that promises it.
    promise: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    status: u16,
    expect: Expect,
}

/// What must hold for the response, or for the metadata that the library received.
enum Expect {
    Nothing,
    /// The whole body.
    Json(Value),
    /// A value in the body, by its pointer.
    At(&'static str, Value),
    /// Part of the body's text.
    Text(&'static str),
    /// A header of the response.
    Header(&'static str, &'static str),
    /// Metadata of the library's call.
    Metadata(&'static str, &'static str),
    /// No such metadata.
    NoMetadata(&'static str),
    /// Anything else.
    Holds(fn(&Reply) -> bool),
}

use Expect::{At, Header, Holds, Json, Metadata, NoMetadata, Nothing, Text};

const NONE: &[(&str, &str)] = &[];

fn get(promise: &'static str, path: &'static str, status: u16, expect: Expect) -> Case {
    Case { promise, method: "GET", path, headers: NONE, body: "", status, expect }
}

fn with(
    promise: &'static str,
    headers: &'static [(&'static str, &'static str)],
    status: u16,
    expect: Expect,
) -> Case {
    Case { headers, ..get(promise, "/v1/shelves/one", status, expect) }
}

fn post(promise: &'static str, path: &'static str, body: &'static str, status: u16, expect: Expect) -> Case {
    Case { method: "POST", body, ..get(promise, path, status, expect) }
}

fn error(status: u16, code: i32) -> [Case; 1] {
    let path: &'static str = Box::leak(format!("/v1/shelves/fail-{code}").into_boxed_str());
    let body = json!({ "code": code, "message": format!("asked for {code}"), "details": [] });
    [get(row(code), path, status, Json(body))]
}

fn long_body() -> &'static str {
    Box::leak("x".repeat(100_000).into_boxed_str())
}

/// A body whose message takes 600 times its length.
fn many_lists() -> &'static str {
    let lists = vec!["[]"; 30_000].join(",");
    Box::leak(format!(r#"{{"listValue":[{lists}]}}"#).into_boxed_str())
}

/// The table's row of a code.
fn row(code: i32) -> &'static str {
    match code {
        3 | 9 | 11 => "| INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE | 400 |",
        16 => "| UNAUTHENTICATED | 401 |",
        7 => "| PERMISSION_DENIED | 403 |",
        5 => "| NOT_FOUND | 404 |",
        6 | 10 => "| ALREADY_EXISTS, ABORTED | 409 |",
        8 => "| RESOURCE_EXHAUSTED | 429 |",
        1 => "| CANCELLED | 499 |",
        12 => "| UNIMPLEMENTED | 501 |",
        14 => "| UNAVAILABLE | 503 |",
        4 => "| DEADLINE_EXCEEDED | 504 |",
        _ => "| UNKNOWN, INTERNAL, DATA_LOSS | 500 |",
    }
}

/// Lines without a case here, and the modules that test them.
const ELSEWHERE: &[&str] = &[
    "A variable of several segments keeps",   // transcode/template
    "A body that nests deeper",               // limits
    "A body over `MAX_BODY_BYTES`",           // limits
    "gRPC message over it",                   // grpc
    "An invalid response from the entry",     // limits, services/runtime/tests/upstream
    "Without one, `REQUEST_TIMEOUT`",         // limits
    "HTTP trailers of a stream",              // streaming
    "Plain gRPC passes",                      // grpc
    "gRPC-Web (binary and text)",             // grpc
    "RPCs that stream, either way or both",   // grpc
    "Reflection (v1 and v1alpha)",            // grpc
    "A service or method that is not served", // grpc
    "`/openapi.json` is an OpenAPI",          // openapi
    "`/api/processes` lists every",           // processes
    "`/api/load` starts, shows and stops",    // load, octet/tests/mesh/load_runs.rs
    "`GET /api/load` is 200",                 // load
    "`POST /api/load` with",                  // load
    "`DELETE /api/load` is 200",              // load
    "`/api/scenarios` lists, starts, shows",  // scenarios, octet/tests/mesh/scenario_page.rs
    "`GET /api/scenarios` is 200",            // scenarios
    "`POST /api/scenarios` with",             // scenarios
    "`DELETE /api/scenarios` is 200",         // scenarios
    "`/api/faults` shows, sets and clears",   // faults, octet/tests/mesh/faults_of_all.rs
    "`GET /api/faults` is 200",               // faults
    "`PUT /api/faults?for=5m` with",          // faults
    "`PATCH /api/faults?for=5m` is",          // faults, octet/tests/mesh/faults_of_all.rs
    "`DELETE /api/faults` is 200",            // faults
    "CORS by `ALLOWED_ORIGINS`",              // cors
    "With `ALLOWED_ORIGINS` unset",           // cors
    "More than `MAX_CONCURRENT`",             // limits
    "A client holds at most seven eighths",   // shares
    "While several clients call",             // shares
    "Metadata over 15 KiB",                   // hostile, grpc
    "Headers over `MAX_HEADER_BYTES`",        // hostile
    "head must be complete within",           // hostile
    "A body must end within",                 // hostile, unread, slow
    "A response whose client reads nothing",  // unread
    "A connection stays usable after",        // http
    "A missing, repeated or malformed",       // http
    "`CONNECT`, and a transfer encoding",     // http
    "Pages and the gateway's own endpoints",  // limits
    "`traceresponse` names the trace",        // grpc
    "Messages may be compressed",             // grpc
    "`Health/Watch` of an unknown name",      // grpc
    "Calls whose clients do not read",        // unread
    "Request messages in flight",             // grpc
    "A stream that is not read",              // unread
    "A client that accepts `text/event-str",  // streaming
    "leaves one line in the log",             // log
    "With `TLS_CERT` and `TLS_KEY` the port", // octet/tests/mesh/https.rs
];

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let mut cases = vec![
        get("| OK | 200 |", "/v1/shelves/one", 200, Json(json!({"name": "one", "theme": ""}))),
        get("`details` is always present", "/v1/nothing", 404, At("/details", json!([]))),
        get("have their fields beside `@type`", "/v1/shelves/fail-with-details", 503, At("/details/0/retryDelay", json!("5s"))),
        get("carry no connection string, path or stack", "/v1/shelves/fail-13", 500, Json(json!({"code": 13, "message": "asked for 13", "details": []}))),

        get("An unknown path is 404 with code 5", "/v1/nothing", 404, At("/code", json!(5))),
        Case { method: "DELETE", ..get("is 405 with `Allow`", "/v1/shelves/one", 405, Header("allow", "GET, HEAD, PURGE")) },
        Case { method: "POST", ..get("is 405 with `Allow`", "/api/health", 405, Header("allow", "GET,HEAD")) },
        Case { method: "HEAD", ..get("HEAD works wherever GET does", "/v1/shelves/one", 200, Header("content-length", "25")) },
        Case { method: "HEAD", ..get("HEAD works wherever GET does", "/api/topology", 200, Holds(|reply| reply.body.is_empty())) },
        get("Path templates support `{field}`", "/v1/everything/7/true/FICTION/AQI=", 200, At("/int32Value", json!(7))),
        get("`{field=segments/*}`", "/v1/shelves/a/books/b", 200, At("/name", json!("shelves/a/books/b"))),
        get("`**` and `:verb`", "/v1/files/a/b/c", 200, At("/name", json!("a/b/c"))),
        get("so that `%2F` and `%252F` differ", "/v1/files/a%2Fb%252Fc", 200, At("/name", json!("a%2Fb%252Fc"))),
        get("In a variable of one segment `%2F` is decoded", "/v1/shelves/a%2Fb", 200, At("/name", json!("a/b"))),
        get("Text that is not UTF-8", "/v1/shelves/%FF", 400, At("/code", json!(3))),
        get("Text that is not UTF-8", "/v1/everything?stringValue=%FF", 400, At("/code", json!(3))),
        Case { headers: &[("Content-Type", "application/x-www-form-urlencoded")], ..post("A form (`application/x-www-form-urlencoded`) is not read", "/v1/everything", "stringValue=a", 400, At("/code", json!(3))) },
        Case { headers: &[("Content-Type", "application/x-www-form-urlencoded"), ("X-HTTP-Method-Override", "GET")], ..post("`X-HTTP-Method-Override` is ignored", "/v1/shelves/one", "", 405, At("/code", json!(12))) },
        post("`**` and `:verb`", "/v1/shelves/a:merge", r#"{"other":"b"}"#, 200, At("/name", json!("shelves/a"))),
        post("A rule's `body`", "/v1/shelves", r#"{"name":"n","theme":"t"}"#, 200, Json(json!({"name": "n", "theme": "t"}))),
        get("`response_body`", "/v1/shelves", 200, Json(json!([{"name": "one", "theme": ""}]))),
        Case { method: "PURGE", ..get("`additional_bindings` are supported", "/v1/shelves/one", 200, At("/name", json!("one"))) },
        get("`additional_bindings` are supported", "/v1/books/b", 200, At("/name", json!("b"))),
        get("goes to the most specific", "/v1/shelves/newest", 200, At("/name", json!(""))),

        get("name request fields by dotted path", "/v1/everything?nested.below.text=hi", 200, At("/nested/below/text", json!("hi"))),
        get("by .proto or JSON names", "/v1/everything?stringValue=a&int32_value=1", 200, Holds(|reply| reply.json()["stringValue"] == "a" && reply.json()["int32Value"] == 1)),
        get("Repeated keys fill repeated fields", "/v1/everything?strings=a&strings=b", 200, At("/strings", json!(["a", "b"]))),
        get("A scalar given twice", "/v1/everything?stringValue=a&stringValue=b", 400, Text("query parameter `stringValue`")),
        get("a value of the wrong type, is 400 and names the field", "/v1/everything?int32Value=x", 400, Text("query parameter `int32Value`")),
        get("Unknown keys of the query are ignored", "/v1/everything?nobody=1", 200, Nothing),
        post("lowerCamelCase or original names; unknown fields", "/v1/everything", r#"{"stringValue":"a","int32_value":1,"nobody":[{}]}"#, 200, Holds(|reply| reply.json()["stringValue"] == "a" && reply.json()["int32Value"] == 1)),
        post("An empty body is the empty message", "/v1/everything", "", 200, At("/stringValue", json!(""))),
        post("A malformed body is 400 and names the position", "/v1/everything", "{\n  \"stringValue\": }", 400, Text("at line 2 column 18")),
        post("a number out of range or inexact", "/v1/everything", r#"{"int64Value": 9007199254740993.5}"#, 400, At("/code", json!(3))),
        post("a field given twice, is 400", "/v1/everything", r#"{"stringValue": "a", "stringValue": "b"}"#, 400, Text("stringValue")),
        post("32 times the request's length is 413", "/v1/everything", many_lists(), 413, At("/code", json!(8))),
        with("`Grpc-Metadata-X: v` becomes metadata", &[("Grpc-Metadata-X-Color", "blue")], 200, Metadata("x-color", "blue")),
        with("names that end in `-bin` take base64", &[("Grpc-Metadata-Key-Bin", "AAEC")], 200, Metadata("key-bin", "AAEC")),
        with("names that end in `-bin` take base64", &[("Grpc-Metadata-Key-Bin", "?")], 400, Text("header `grpc-metadata-key-bin`")),
        with("Trace headers, `x-request-id`", &[("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124")], 200, Metadata("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124")),
        with("Trace headers, `x-request-id`", &[("x-request-id", "mine")], 200, Metadata("x-request-id", "mine")),
        with("what `PROPAGATE_HEADERS` names pass", &[("x-user", "alice")], 200, Metadata("x-user", "alice")),
        with("`Grpc-Metadata-Authorization` passes as `authorization`", &[("Authorization", "Bearer t")], 200, Metadata("authorization", "Bearer t")),
        with("`Grpc-Metadata-Authorization` passes as `authorization`", &[("Grpc-Metadata-Authorization", "Bearer t")], 200, Metadata("authorization", "Bearer t")),
        with("both together are 400", &[("Authorization", "Bearer t"), ("Grpc-Metadata-Authorization", "Bearer t")], 400, Text("send only one of them")),
        with("in front of a name of the protocol", &[("Grpc-Metadata-Host", "a")], 400, Text("belongs to the protocol")),
        with("in front of a header that passes itself", &[("Grpc-Metadata-Traceparent", "a")], 400, Text("send the header `traceparent` itself")),
        with("in front of a name that only a proxy sets", &[("Grpc-Metadata-X-Envoy-Retry-On", "5xx")], 400, Text("only a proxy can set")),
        with("All other headers stop", &[("Cookie", "a=b")], 200, NoMetadata("cookie")),
        with("All other headers stop", &[("X-Other", "1")], 200, NoMetadata("x-other")),
        with("`X-Forwarded-For` gains the peer", &[("X-Forwarded-For", "203.0.113.9")], 200, Metadata("x-forwarded-for", "203.0.113.9, 127.0.0.1")),
        with("`X-Forwarded-Host` keeps its value", &[("X-Forwarded-Host", "app.example")], 200, Metadata("x-forwarded-host", "app.example")),
        with("else is `Host`", &[("Host", "edge.example")], 200, Metadata("x-forwarded-host", "edge.example")),
        Case { headers: &[("Grpc-Timeout", "50m")], ..get("`Grpc-Timeout: 100m`, `5S`", "/v1/shelves/slow", 504, At("/code", json!(4))) },
        with("`Grpc-Timeout: 100m`, `5S`", &[("Grpc-Timeout", "5S")], 200, Holds(|_| true)),
        with("A malformed `Grpc-Timeout` is 400", &[("Grpc-Timeout", "5s")], 400, At("/code", json!(3))),
        with("an empty, a signed or a repeated one", &[("Grpc-Timeout", "")], 400, At("/code", json!(3))),
        with("an empty, a signed or a repeated one", &[("Grpc-Timeout", "+5S")], 400, At("/code", json!(3))),
        with("an empty, a signed or a repeated one", &[("Grpc-Timeout", "-5S")], 400, At("/code", json!(3))),
        with("an empty, a signed or a repeated one", &[("Grpc-Timeout", "5S"), ("Grpc-Timeout", "5S")], 400, At("/code", json!(3))),
        with("is a deadline that has passed", &[("Grpc-Timeout", "0S")], 504, At("/code", json!(4))),

        get("`application/json`, proto3 JSON", "/v1/shelves/one", 200, Header("content-type", "application/json")),
        get("unset fields written out", "/v1/books/b", 200, Json(json!({"name": "b", "title": "", "author": null, "tags": [], "published": null}))),
        get("64-bit integers are strings, enums names, bytes base64", "/v1/everything?int64Value=9007199254740993&genre=SCIENCE&bytesValue=AAE", 200, Holds(|reply| reply.json()["int64Value"] == "9007199254740993" && reply.json()["genre"] == "SCIENCE" && reply.json()["bytesValue"] == "AAE=")),
        get("`Grpc-Metadata-*` headers", "/v1/shelves/one", 200, Header("grpc-metadata-x-answered-by", "library")),
        get("names that end in `-bin` have base64", "/v1/shelves/one", 200, Header("grpc-metadata-x-bytes-bin", "AAH/")),
        get("on errors too", "/v1/shelves/fail-5", 404, Header("grpc-metadata-x-why", "asked")),
        get("There is no `Grpc-Metadata-Content-Type`", "/v1/shelves/one", 200, Holds(|reply| !reply.headers.contains_key("grpc-metadata-content-type"))),
        get("Response trailers become `Grpc-Trailer-*`", "/v1/shelves/one", 200, Header("grpc-trailer-x-checksum", "42")),
        get("newline-delimited `{\"result\":…}`", "/v1/shelves/2:watch", 200, Holds(|reply| reply.text() == "{\"result\":{\"name\":\"0\",\"theme\":\"\"}}\n{\"result\":{\"name\":\"1\",\"theme\":\"\"}}\n")),
        get("the last one `{\"error\":…}` if it failed", "/v1/shelves/1-fail:watch", 200, Holds(|reply| reply.text().ends_with("{\"error\":{\"code\":5,\"message\":\"no more\",\"details\":[]}}\n"))),
        get("before its first message has the status", "/v1/shelves/0-fail:watch", 404, Json(json!({"error": {"code": 5, "message": "no more", "details": []}}))),
        post("takes messages from the client is 501", "/v1/chat", "{}", 501, At("/code", json!(12))),
        get("`x-request-id` is made at the edge", "/v1/shelves/one", 200, Holds(|reply| reply.header("x-request-id").len() == 36)),
        with("is always in the response", &[("x-request-id", "mine")], 200, Header("x-request-id", "mine")),
        get("is always in the response", "/v1/nothing", 404, Holds(|reply| reply.header("x-request-id").len() == 36)),

        get("`/api/health` is 200", "/api/health", 200, Holds(|reply| reply.json()["status"] == "ok" && reply.json()["entry"]["service"] == "service-a")),
        get("`/api/metrics` has the gateway's metrics", "/api/metrics", 200, Text("octet_build_info{")),
        Case { method: "PATCH", headers: &[("Cookie", "a=b"), ("X-Plain", "1")], body: "hi", ..get("`/api/request-echo` answers any method", "/api/request-echo?q=1", 200, Holds(|reply| {
            let echo = reply.json();
            echo["method"] == "PATCH" && echo["query"] == "q=1" && echo["body"] == "hi" && echo["headers"]["x-plain"] == json!(["1"])
        })) },
        Case { method: "POST", body: "hello", ..get("of a body the first 64 KiB", "/api/request-echo", 200, At("/bodyBytes", json!(5))) },
        Case { method: "POST", body: long_body(), ..get("of a body the first 64 KiB", "/api/request-echo", 200, Holds(|reply| {
            let echo = reply.json();
            echo["bodyBytes"] == 100_000 && echo["truncated"] == true && echo["body"].as_str().is_some_and(|body| body.len() == 65_536)
        })) },
        Case { method: "FROB", ..get("`/api/request-echo` answers any method", "/api/request-echo", 200, At("/method", json!("FROB"))) },
        Case { headers: &[("Cookie", "a=b"), ("Authorization", "Bearer t")], ..get("credentials are masked", "/api/request-echo", 200, Holds(|reply| !reply.text().contains("a=b") && !reply.text().contains("Bearer") && reply.json()["headers"]["cookie"] == json!(["***"]))) },
        get("credentials are masked", "/api/request-echo?q=1&access_token=s3cret", 200, At("/query", json!("q=1&access_token=***"))),
        Case { headers: &[("Referer", "https://a.example/?sig=s3cret&q=1")], ..get("credentials are masked", "/api/request-echo?key=s3cret&otp=s3cret", 200, Holds(|reply| !reply.text().contains("s3cret") && reply.json()["headers"]["referer"] == json!(["https://a.example/?sig=***&q=1"]))) },
        get("any status from 200 to 599", "/api/status/200", 200, Nothing),
        get("any status from 200 to 599", "/api/status/204", 204, Holds(|reply| reply.body.is_empty())),
        get("any status from 200 to 599", "/api/status/503", 503, At("/code", json!(14))),
        get("any status from 200 to 599", "/api/status/599", 599, At("/code", json!(2))),
        get("401 has `WWW-Authenticate`", "/v1/shelves/fail-16", 401, Header("www-authenticate", "Bearer")),
        get("401 has `WWW-Authenticate`", "/api/status/401", 401, Header("www-authenticate", "Bearer")),
        get("others are 400", "/api/status/199", 400, At("/code", json!(3))),
        get("others are 400", "/api/status/600", 400, At("/code", json!(3))),
        get("others are 400", "/api/status/%ff", 400, At("/code", json!(3))),
        get("others are 400", "/api/status/teapot", 400, At("/code", json!(3))),
        get("`/api/topology` is the graph", "/api/topology", 200, At("/entry", json!("service-a"))),
        get("`/docs` shows it", "/docs/", 200, Header("content-type", "text/html; charset=utf-8")),
        get("`/docs` shows it", "/docs", 308, Header("location", "docs/")),
        get("keep browsers from interpreting data as pages", "/v1/shelves/one", 200, Header("x-content-type-options", "nosniff")),
        get("keep browsers from interpreting data as pages", "/v1/nothing", 404, Header("content-security-policy", "default-src 'none'; frame-ancestors 'none'")),
        get("keep browsers from interpreting data as pages", "/docs/", 200, Header("x-frame-options", "DENY")),
    ];
    for (status, code) in [
        (499, 1), (500, 2), (400, 3), (504, 4), (404, 5), (409, 6), (403, 7), (429, 8),
        (400, 9), (409, 10), (400, 11), (501, 12), (500, 13), (503, 14), (500, 15), (401, 16),
    ] {
        cases.extend(error(status, code));
    }
    cases
}

#[tokio::test]
async fn every_case_gets_the_documented_response() {
    let gateway = Gateway::with(&[("PROPAGATE_HEADERS", "x-user")]).await;
    for case in cases() {
        let Case { promise, method, path, headers, body, status, expect } = case;
        let reply = ask(&gateway, method, path, headers, body).await;
        let context = format!("{promise}: {method} {path}: {} {}", reply.status, reply.text());
        assert_eq!(reply.status.as_u16(), status, "{context}");
        let received = |name: &str| {
            gateway.library.last().get(name).map(|value| value.to_str().expect("text").to_owned())
        };
        match expect {
            Nothing => {}
            Json(body) => assert_eq!(reply.json(), body, "{context}"),
            At(pointer, value) => assert_eq!(reply.json().pointer(pointer), Some(&value), "{context}"),
            Text(text) => assert!(reply.text().contains(text), "{context}"),
            Header(name, value) => assert_eq!(reply.header(name), value, "{context}"),
            Metadata(name, value) => assert_eq!(received(name).as_deref(), Some(value), "{context}"),
            NoMetadata(name) => assert_eq!(received(name), None, "{context}"),
            Holds(holds) => assert!(holds(&reply), "{context} {:?}", reply.headers),
        }
    }
}

#[tokio::test]
async fn forwarded_headers_of_an_untrusted_peer_are_replaced() {
    let gateway = Gateway::with(&[("TRUSTED_PROXIES", "192.0.2.0/24")]).await;
    let headers =
        [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Host", "bank.example"), ("Host", "edge")];
    ask(&gateway, "GET", "/v1/shelves/one", &headers, "").await;
    let seen = gateway.library.last();
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-forwarded-host"], "edge");
}

#[test]
fn every_line_of_the_document_has_a_case_and_every_case_a_line() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateway.md");
    let document = std::fs::read_to_string(document).expect("docs/gateway.md");
    let (promises, _) = document.split_once("## Settings").expect("the settings come last");
    // An indented line continues the one before.
    let lines: Vec<String> = promises.replace("\n  ", " ").lines().map(str::to_owned).collect();
    let is_promise =
        |line: &&String| line.starts_with("- ") || (line.starts_with("| ") && !line.starts_with("| gRPC"));
    let lines: Vec<&String> = lines.iter().filter(is_promise).collect();
    assert!(lines.len() > 60, "{lines:?}");

    let cases = cases();
    let proofs: Vec<&str> = cases.iter().map(|case| case.promise).chain(ELSEWHERE.iter().copied()).collect();
    for line in &lines {
        assert!(proofs.iter().any(|proof| line.contains(proof)), "no test for: {line}");
    }
    for proof in proofs {
        assert!(lines.iter().any(|line| line.contains(proof)), "not in the document: {proof}");
    }
}
