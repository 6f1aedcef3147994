//! HTTP to the letter: connections that stay usable, and requests that no route may see.

use std::time::Duration;

use octet_testbed::{eventually, http2_frames::frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    client::{PATIENCE, get, raw, read_to_end},
    gateway::Gateway,
    hostile::PREFACE,
};

/// The status codes of the responses on one connection.
fn statuses(text: &str) -> Vec<&str> {
    text.split("HTTP/1.1 ").skip(1).map(|response| &response[..3]).collect()
}

const LAST: &str = "GET /v1/shelves/one HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_connection_stays_usable_after_a_response_that_did_not_wait_for_the_body() {
    let gateway = Gateway::start().await;
    for (request, status) in [
        ("POST /made/up", "404"),
        ("POST /v1/shelves/one", "405"),
        ("POST /api/health", "405"),
        ("GET /v1/shelves/one", "200"),
        ("GET /api/topology", "200"),
    ] {
        for body in ["content-length: 2\r\n\r\n{}", "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"]
        {
            let (head, body) = body.split_at(body.find("\r\n\r\n").unwrap() + 4);
            let mut stream = TcpStream::connect(gateway.address).await.unwrap();
            let head = format!("{request} HTTP/1.1\r\nhost: x\r\n{head}");
            stream.write_all(head.as_bytes()).await.unwrap();
            sleep(Duration::from_millis(20)).await;
            stream.write_all(body.as_bytes()).await.unwrap();
            stream.write_all(LAST.as_bytes()).await.unwrap();
            let text = read_to_end(&mut stream).await;
            assert_eq!(statuses(&text), [status, "200"], "{head}: {text}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_pipelines_gets_every_response_in_order() {
    let gateway = Gateway::start().await;
    let round = "POST /made/up HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello\
                 GET /v1/shelves/one HTTP/1.1\r\nhost: x\r\n\r\n\
                 POST /v1/shelves/one HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nnot a GET\
                 GET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n";
    let rounds = 50;
    let text = raw(&gateway, format!("{}{LAST}", round.repeat(rounds)).as_bytes()).await;
    let mut expected = ["404", "200", "405", "404"].repeat(rounds);
    expected.push("200");
    assert_eq!(statuses(&text), expected);
}

#[tokio::test]
async fn a_long_unread_body_closes_the_connection_with_notice() {
    let gateway = Gateway::start().await;
    let announced = "POST /made/up HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n";
    let chunked = "POST /made/up HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    for (head, piece) in [(announced, "x".repeat(0x1_0000)), (chunked, chunk)] {
        let text = raw(&gateway, format!("{head}{}", piece.repeat(16)).as_bytes()).await;
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(head.starts_with("HTTP/1.1 404") && head.contains("connection: close"), "{text}");
    }
    // A client that never sends the body is not waited for.
    let text = raw(&gateway, b"POST /made/up HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 404") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_refused_without_it() {
    let gateway = Gateway::start().await;
    let request = "POST /made/up HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let text = raw(&gateway, request.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 404") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn a_missing_doubled_or_malformed_host_is_400() {
    let gateway = Gateway::start().await;
    for (hosts, status) in [
        ("", "400"),
        ("host: a\r\nhost: b\r\n", "400"),
        ("host: a\r\nhost: a\r\n", "400"),
        ("host:\r\n", "400"),
        ("host: a b\r\n", "400"),
        ("host: user@a\r\n", "400"),
        ("host: a:99999\r\n", "400"),
        ("host: [::1\r\n", "400"),
        ("host: a/b\r\n", "400"),
        ("host: [::1]:8080\r\n", "200"),
        ("host: a.example:\r\n", "200"),
    ] {
        for path in ["/v1/shelves/one", "/api/topology"] {
            let request = format!("GET {path} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
            let text = raw(&gateway, request.as_bytes()).await;
            assert_eq!(statuses(&text), [status], "{hosts:?}: {text}");
        }
    }
    let old = raw(&gateway, b"GET /v1/shelves/one HTTP/1.0\r\n\r\n").await;
    assert!(old.contains(" 200 OK\r\n"), "HTTP/1.0 has no Host: {old}");
}

#[tokio::test]
async fn an_http2_request_without_an_authority_is_400() {
    let gateway = Gateway::start().await;
    for (authority, status) in [(&b""[..], 0x8c), (&b"\x00\x0a:authority\x01x"[..], 0x88)] {
        // GET, http, and the path as a literal; then 0x88 is `:status: 200` and 0x8c `:status: 400`.
        let block = [&[0x82, 0x86][..], b"\x00\x05:path\x0d/api/topology", authority].concat();
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(&[PREFACE, &frame(1, 5, 1, &block)].concat()).await.unwrap();
        let head = async {
            loop {
                let mut head = [0; 9];
                stream.read_exact(&mut head).await.expect("a frame");
                let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
                stream.read_exact(&mut payload).await.expect("its payload");
                if head[3] == 1 {
                    return payload;
                }
            }
        };
        let block = timeout(PATIENCE, head).await.expect("in time");
        assert_eq!(block[0], status, "{block:x?}");
    }
}

#[tokio::test]
async fn a_response_that_has_no_content_has_no_content_length() {
    let gateway = Gateway::start().await;
    for method in ["HEAD", "GET"] {
        for status in ["204", "304"] {
            let request =
                format!("{method} /api/status/{status} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let text = raw(&gateway, request.as_bytes()).await;
            assert_eq!(statuses(&text), [status], "{text}");
            assert!(!text.contains("content-length"), "{method}: {text}");
        }
    }
}

#[tokio::test]
async fn unsupported_methods_and_transfer_encodings_are_501() {
    let gateway = Gateway::start().await;
    for request in [
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n",
        "POST /v1/everything HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/everything HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /made/up HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ] {
        let text = raw(&gateway, format!("{request}{LAST}").as_bytes()).await;
        assert_eq!(statuses(&text), ["501"], "{request}: {text}");
    }
    assert_eq!(gateway.library.calls(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_with_its_route() {
    let gateway = Gateway::start().await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /v1/shelves/slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    eventually("the call to arrive", async || gateway.library.calls() == 1).await;
    drop(stream);
    let labels =
        "http_request_method=\"GET\",http_response_status_code=\"499\",http_route=\"/v1/shelves/{shelf}\"";
    eventually("the request to be counted", async || {
        get(&gateway, "/api/metrics").await.text().contains(labels)
    })
    .await;
}

#[tokio::test]
async fn statuses_that_clients_choose_are_counted_by_class() {
    let gateway = Gateway::start().await;
    let request = |status: u16| {
        ["DELETE", "PUT"].map(|method| format!("{method} /api/status/{status} HTTP/1.1\r\nhost: x\r\n\r\n"))
    };
    let requests: Vec<String> = (200..600).flat_map(request).collect();
    let answered = statuses(&raw(&gateway, format!("{}{LAST}", requests.concat()).as_bytes()).await).len();
    assert_eq!(answered, 801);
    let metrics = get(&gateway, "/api/metrics").await.text();
    let series = metrics.lines().filter(|line| {
        line.starts_with("http_server_request_duration_seconds_count") && line.contains("/api/status/{code}")
    });
    assert_eq!(series.count(), 8, "four classes, two methods: {metrics}");
}
