use http::{HeaderMap, HeaderName, HeaderValue};
use octet_gateway::transcode::{Client, request_metadata, response_headers, response_trailers};

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |&(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn carries(name: &HeaderName) -> bool {
    ["traceparent", "x-request-id"].contains(&name.as_str())
}

fn metadata(pairs: &[(&str, &str)], client: Client<'_>) -> Result<Vec<String>, String> {
    let metadata = request_metadata(&headers(pairs), client, carries).map_err(|error| error.to_string())?;
    let mut lines: Vec<_> =
        metadata.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn only_what_is_meant_for_the_call_becomes_metadata() {
    let client = Client { peer: Some([10, 0, 0, 7].into()), authority: Some("octet.test:8080") };
    let asked = metadata(
        &[
            ("Grpc-Metadata-Tenant", "blue"),
            ("Grpc-Metadata-Tenant", "green"),
            ("Grpc-Metadata-Key-Bin", "_-8"),
            ("Authorization", "Bearer t"),
            ("traceparent", "00-1-2-3"),
            ("x-request-id", ""),
            ("X-Forwarded-For", "1.2.3.4, 5.6.7.8"),
            ("X-Forwarded-For", "9.9.9.9"),
            ("Cookie", "secret"),
            ("Accept", "*/*"),
            ("User-Agent", "curl"),
            ("Host", "octet.test:8080"),
            ("X-Api-Key", "secret"),
            ("Grpc-Timeout", "1S"),
        ],
        client,
    );
    assert_eq!(
        asked.unwrap(),
        [
            "authorization: Bearer t",
            "key-bin: /+8",
            "tenant: blue",
            "tenant: green",
            "traceparent: 00-1-2-3",
            "x-forwarded-for: 1.2.3.4, 5.6.7.8, 9.9.9.9, 10.0.0.7",
            "x-forwarded-host: octet.test:8080",
        ]
    );
}

#[test]
fn the_first_proxys_host_stays() {
    let client = Client { peer: None, authority: Some("inner") };
    assert_eq!(metadata(&[("X-Forwarded-Host", "outer")], client).unwrap(), ["x-forwarded-host: outer"]);
    assert_eq!(metadata(&[], Client::default()).unwrap(), [""; 0]);
    let mapped = Client { peer: Some("::ffff:10.0.0.7".parse().unwrap()), authority: None };
    assert_eq!(metadata(&[], mapped).unwrap(), ["x-forwarded-for: 10.0.0.7"]);
}

#[test]
fn metadata_cannot_be_what_the_protocols_own() {
    for name in [
        "grpc-timeout",
        "grpc-encoding",
        "te",
        "content-type",
        "user-agent",
        "host",
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "trailer",
        "upgrade",
        "content-length",
    ] {
        let sent = format!("grpc-metadata-{name}");
        assert_eq!(
            metadata(&[(&sent, "x")], Client::default()),
            Err(format!("header `{sent}`: `{name}` belongs to the protocol and cannot be set as metadata"))
        );
    }
    // Nor through a second door.
    for name in ["authorization", "traceparent", "x-forwarded-for", "x-forwarded-host"] {
        let sent = format!("grpc-metadata-{name}");
        assert_eq!(
            metadata(&[(&sent, "x")], Client::default()),
            Err(format!(
                "header `{sent}`: `{name}` cannot be set as metadata: send the header `{name}` itself"
            ))
        );
    }
}

#[test]
fn a_value_that_is_no_metadata_is_refused_by_name() {
    for (name, value, expected) in [
        ("grpc-metadata-", "x", "`Grpc-Metadata-` must be followed by letters, digits, `_`, `-` and `.`"),
        ("grpc-metadata-a!", "x", "`Grpc-Metadata-` must be followed by letters, digits, `_`, `-` and `.`"),
        (
            "grpc-metadata-a",
            "é",
            "the value must be printable ASCII; a name that ends in `-bin` takes base64 of anything",
        ),
        ("grpc-metadata-a-bin", "é", "failed to convert header to a str"),
        (
            "grpc-metadata-a-bin",
            "*",
            "\"*\" is not base64, standard or URL-safe (Invalid symbol 42, offset 0.)",
        ),
        ("authorization", "é", "the value must be printable ASCII"),
        ("x-forwarded-for", "é", "the value must be printable ASCII"),
        ("x-forwarded-host", "é", "the value must be printable ASCII"),
    ] {
        let expected = format!("header `{name}`: {expected}");
        assert_eq!(metadata(&[(name, value)], Client::default()), Err(expected));
    }
    // A malformed trace header is never an error.
    assert_eq!(metadata(&[("traceparent", "é")], Client::default()).unwrap(), [""; 0]);
}

#[test]
fn an_answers_metadata_come_back_behind_their_prefix() {
    let answered = headers(&[
        ("octet-missing", "service-b=UNAVAILABLE"),
        ("key-bin", "/+8"),
        ("tenant", "blue"),
        ("tenant", "green"),
        ("content-type", "application/grpc"),
        ("grpc-status", "0"),
        ("grpc-status-details-bin", "AA"),
        ("date", "today"),
    ]);
    let mut written = headers(&[("content-type", "application/json")]);
    response_headers(&answered, &mut written);
    response_trailers(&headers(&[("spent", "3ms"), ("grpc-message", "x")]), &mut written);
    assert_eq!(
        written,
        headers(&[
            ("content-type", "application/json"),
            ("grpc-metadata-octet-missing", "service-b=UNAVAILABLE"),
            ("grpc-metadata-key-bin", "/+8"),
            ("grpc-metadata-tenant", "blue"),
            ("grpc-metadata-tenant", "green"),
            ("grpc-trailer-spent", "3ms"),
        ])
    );
}
