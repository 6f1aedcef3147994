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
fn only_headers_for_the_call_become_metadata() {
    let client = Client { peer: Some([10, 0, 0, 7].into()), authority: Some("octet.test:8080") };
    let passed = metadata(
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
        passed.unwrap(),
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
fn x_forwarded_host_keeps_its_value() {
    let client = Client { peer: None, authority: Some("inner") };
    assert_eq!(metadata(&[("X-Forwarded-Host", "outer")], client).unwrap(), ["x-forwarded-host: outer"]);
    assert_eq!(metadata(&[], Client::default()).unwrap(), [""; 0]);
    let mapped = Client { peer: Some("::ffff:10.0.0.7".parse().unwrap()), authority: None };
    assert_eq!(metadata(&[], mapped).unwrap(), ["x-forwarded-for: 10.0.0.7"]);
}

#[test]
fn protocol_names_cannot_be_metadata() {
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
            Err(format!("header `{sent}`: `{name}` belongs to the protocol and cannot be metadata"))
        );
    }
}

#[test]
fn headers_that_pass_themselves_cannot_be_metadata_as_well() {
    for name in ["traceparent", "x-request-id"] {
        let sent = format!("grpc-metadata-{name}");
        let expected =
            format!("header `{sent}`: send the header `{name}` itself: it cannot be metadata as well");
        assert_eq!(metadata(&[(&sent, "x")], Client::default()), Err(expected));
    }
}

#[test]
fn proxy_names_cannot_be_metadata() {
    for name in [
        "cf-connecting-ip",
        "client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-amzn-oidc-identity",
        "x-client-ip",
        "x-envoy-max-retries",
        "x-envoy-retry-on",
        "x-envoy-upstream-rq-timeout-ms",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-goog-authenticated-user-email",
        "x-istio-attributes",
        "x-ms-client-principal",
        "x-original-url",
        "x-real-ip",
    ] {
        let sent = format!("Grpc-Metadata-{name}");
        let lower = sent.to_ascii_lowercase();
        let expected = format!("header `{lower}`: only a proxy can set `{name}`: it cannot be metadata");
        assert_eq!(metadata(&[(&sent, "x")], Client::default()), Err(expected));
        // Nor does the header itself pass.
        let passed = metadata(&[(name, "x")], Client::default()).unwrap();
        assert!(passed.is_empty() || name.starts_with("x-forwarded-"), "{name}: {passed:?}");
    }
}

#[test]
fn credentials_pass_as_a_header_or_as_metadata_but_not_as_both() {
    let sent = ("Grpc-Metadata-Authorization", "Bearer t");
    assert_eq!(metadata(&[sent], Client::default()).unwrap(), ["authorization: Bearer t"]);
    let both = metadata(&[sent, ("Authorization", "Bearer u")], Client::default());
    let expected = "header `grpc-metadata-authorization`: the request has the header `authorization` too: send only one of them";
    assert_eq!(both, Err(expected.to_owned()));
}

#[test]
fn an_invalid_header_is_refused_by_name() {
    for (name, value, expected) in [
        (
            "grpc-metadata-",
            "x",
            "`Grpc-Metadata-` must be followed by a name of letters, digits, `_`, `-` and `.`",
        ),
        (
            "grpc-metadata-a!",
            "x",
            "`Grpc-Metadata-` must be followed by a name of letters, digits, `_`, `-` and `.`",
        ),
        (
            "grpc-metadata-a",
            "é",
            "the value must be printable ASCII; to send other bytes, end the name in `-bin` and encode the value in base64",
        ),
        ("grpc-metadata-a-bin", "é", "the value must be base64, standard or URL-safe"),
        ("grpc-metadata-a-bin", "*", "\"*\" is not base64, standard or URL-safe"),
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
fn response_metadata_becomes_prefixed_headers() {
    let metadata = headers(&[
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
    response_headers(&metadata, &mut written);
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
