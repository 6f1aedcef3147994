//! Reports: well-formed, compressed, in pieces, and malformed.

use axum::body::{Body, Bytes};
use octet_zipkin::Batch;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::peer::{Peer, gzip, span};

const PY_ZIPKIN: &str = include_str!("py_zipkin.json");

#[tokio::test]
async fn spans_of_py_zipkin_are_accepted_and_returned_unchanged() {
    let peer = Peer::start().await;
    peer.report(PY_ZIPKIN).await;
    let trace = peer.json("/api/v2/trace/4e441824ec2b6a44ffdc9bb9a6453df3").await;
    let mut sent: serde_json::Value =
        serde_json::from_str(&PY_ZIPKIN.to_lowercase().replace("traceid", "traceId")).unwrap();
    // Names are returned in lower case, as in Zipkin; everything else unchanged.
    let lower = |value: &serde_json::Value| -> serde_json::Value {
        let text = value.to_string().to_lowercase().replace("traceid", "traceId");
        serde_json::from_str(&text).unwrap()
    };
    let local = sent.as_array_mut().unwrap().pop().unwrap();
    assert_eq!(lower(&trace), sent);
    assert_eq!(lower(&peer.json("/api/v2/trace/00000000000000aa").await), json!([local]));
    assert_eq!(peer.json("/api/v2/services").await, json!(["service-a", "service-b"]));
    assert_eq!(
        peer.json("/api/v2/dependencies?endTs=1502787601000&lookback=60000").await,
        json!([{"parent":"service-a","child":"service-b","callCount":1,"errorCount":1}])
    );
    peer.stop().await;
}

#[tokio::test]
async fn compressed_and_chunked_reports_are_accepted() {
    let peer = Peer::start().await;
    let reply =
        peer.post(&[("content-encoding", "gzip")], gzip(format!("[{}]", span(1, 1, "")).as_bytes())).await;
    assert_eq!(reply.status, 202);

    // In chunks without a length, as Envoy sends them.
    let mut stream = TcpStream::connect(&peer.address).await.expect("connected");
    let body = format!("[{}]", span(2, 1, ""));
    let (start, end) = body.split_at(7);
    let request = format!(
        "POST /api/v2/spans HTTP/1.1\r\nhost: zipkin\r\ncontent-type: application/json\r\nconnection: close\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{start}\r\n{:x}\r\n{end}\r\n0\r\n\r\n",
        start.len(),
        end.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    for trace in ["0000000000000001", "0000000000000002"] {
        peer.json(&format!("/api/v2/trace/{trace}")).await;
    }
    peer.stop().await;
}

#[tokio::test]
async fn a_trace_in_unordered_pieces_with_duplicates_is_one_trace() {
    let peer = Peer::start().await;
    for id in [3, 1, 2, 3] {
        peer.report(format!("[{}]", span(7, id, ""))).await;
    }
    let ids = |trace: &serde_json::Value| -> Vec<String> {
        trace.as_array().unwrap().iter().map(|span| span["id"].as_str().unwrap()[15..].to_owned()).collect()
    };
    assert_eq!(ids(&peer.json("/api/v2/trace/0000000000000007").await), ["3", "1", "2"]);
    let spans = async |result: &str| {
        peer.metric(&format!(r#"octet_collector_spans_total{{result="{result}"}}"#)).await
    };
    assert_eq!((spans("stored").await, spans("duplicate").await), (3, 1));
    assert_eq!(peer.metric(r#"octet_collector_kept{what="traces"}"#).await, 1);
    peer.stop().await;
}

#[tokio::test]
async fn a_malformed_span_is_reported_with_its_position_and_others_are_stored() {
    let peer = Peer::start().await;
    let first = span(1, 1, "");
    let reply = peer
        .post(&[], format!("[{first},{},{}]", span(1, 2, r#","localEndpoint":{"port":-1}"#), span(1, 3, "")))
        .await;
    assert_eq!(reply.status, 400);
    let errors = reply.json();
    assert_eq!((&errors["stored"], &errors["malformedCount"]), (&json!(2), &json!(1)));
    let malformed = &errors["malformed"][0];
    assert_eq!(malformed["index"], 1);
    assert_eq!(malformed["field"], "localEndpoint.port");
    assert_eq!(malformed["offset"], first.len() + 2);
    assert!(errors["message"].as_str().unwrap().starts_with("span 1 at byte "), "{errors}");
    assert_eq!(peer.json("/api/v2/trace/0000000000000001").await.as_array().unwrap().len(), 2);

    let reply = peer.post(&[], format!("[{},{{\"x\":?}}]", span(2, 1, ""))).await;
    let broken = reply.json();
    assert_eq!((reply.status.as_u16(), &broken["stored"]), (400, &json!(1)), "{broken}");
    assert_eq!(broken["broken"]["offset"], span(2, 1, "").len() + 2 + 5, "{broken}");
    assert_eq!(peer.metric(r#"octet_collector_spans_total{result="malformed"}"#).await, 1);
    peer.stop().await;
}

#[tokio::test]
async fn an_invalid_report_is_refused_with_its_status() {
    let peer = Peer::start().await;
    for (headers, body, status) in [
        (&[][..], Bytes::new(), 400),
        (&[], "{}".into(), 400),
        (&[("content-encoding", "gzip")], "no gzip".into(), 400),
        (&[("content-encoding", "br")], "[]".into(), 415),
        (&[("content-type", "application/x-protobuf")], "[]".into(), 400),
        (&[("content-type", "application/x-thrift")], "[]".into(), 415),
        (&[("content-type", "text/plain")], "[]".into(), 415),
        (&[("content-type", "application/jsonp")], "[]".into(), 415),
        (&[("content-type", "application/json; charset=utf-8")], "[]".into(), 202),
        (&[("content-type", "Application/JSON")], "[]".into(), 202),
        // Some reporters send none.
        (&[], "[]".into(), 202),
        (&[], vec![b' '; 10 * 1024 * 1024 + 1].into(), 413),
        // A few kilobytes that decompress to 64 MiB.
        (&[("content-encoding", "gzip")], gzip(&vec![b' '; 64 * 1024 * 1024]).into(), 413),
    ] {
        let length = body.len();
        let reply = peer.post(headers, body).await;
        assert_eq!(reply.status, status, "{headers:?} {length}: {}", reply.text());
        assert!(status == 202 || reply.json()["message"].is_string());
    }
    assert_eq!(peer.get("/api/v2/nothing").await.status, 404);
    let delete = hyper::Request::delete(format!("http://{}/api/v2/spans", peer.address));
    let reply = peer.send(delete.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 405);
    assert!(reply.headers["allow"].to_str().unwrap().contains("POST"), "{:?}", reply.headers);
    peer.stop().await;
}

#[tokio::test]
async fn spans_of_zipkins_v1_format_are_refused() {
    let peer = Peer::start().await;
    let endpoint = r#""endpoint":{"serviceName":"a","ipv4":"127.0.0.1","port":80}"#;
    let annotations = format!(r#","annotations":[{{"timestamp":1,"value":"sr",{endpoint}}}]"#);
    let binary = format!(r#","binaryAnnotations":[{{"key":"http.path","value":"/",{endpoint}}}]"#);
    for rest in [&annotations, &binary] {
        let reply =
            peer.post(&[("content-type", "application/json")], format!("[{}]", span(1, 1, rest))).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("v1 format"), "{message}");
    }
    assert_eq!(peer.get("/api/v2/trace/1").await.status, 404);
    peer.stop().await;
}

#[tokio::test]
async fn spans_of_zipkins_other_formats_are_stored() {
    let peer = Peer::start().await;
    // A span of trace 1 with id 2 and the name `get`.
    let proto = [
        0x0a, 25, 0x0a, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0x1a, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0x2a, 3, b'g', b'e', b't',
    ];
    let reply = peer.post(&[("content-type", "application/x-protobuf")], proto.to_vec()).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (202, String::new()));
    let stored = json!([{"traceId":"0000000000000001","id":"0000000000000002","name":"get"}]);
    assert_eq!(peer.json("/api/v2/trace/1").await, stored);

    let v1 = json!([{"traceId": "3", "id": "4", "name": "get", "annotations": [
        {"timestamp": 5, "value": "cs", "endpoint": {"serviceName": "a"}},
        {"timestamp": 9, "value": "cr", "endpoint": {"serviceName": "a"}}]}]);
    for (content_type, status) in
        [("application/json", 202), ("application/x-thrift", 415), ("application/x-protobuf", 415)]
    {
        let request = hyper::Request::post(format!("http://{}/api/v1/spans", peer.address))
            .header("content-type", content_type)
            .body(Body::from(v1.to_string()))
            .unwrap();
        let reply = peer.send(request).await;
        assert_eq!(reply.status, status, "{content_type}: {}", reply.text());
        assert_eq!(reply.text().contains("Thrift is not supported"), content_type.ends_with("thrift"));
    }
    assert_eq!(
        peer.json("/api/v2/trace/3").await,
        json!([{"traceId":"0000000000000003","id":"0000000000000004","kind":"CLIENT","name":"get","timestamp":5,
                "duration":4,"localEndpoint":{"serviceName":"a"}}])
    );
    peer.stop().await;
}

#[tokio::test]
async fn short_ids_and_negative_times_are_stored_as_in_zipkin() {
    let peer = Peer::start().await;
    peer.report(r#"[{"traceId":"1aa","id":"b","parentId":"0","timestamp":-5,"duration":-1}]"#).await;
    for id in ["1aa", "00000000000001aa"] {
        assert_eq!(
            peer.json(&format!("/api/v2/trace/{id}")).await,
            json!([{"traceId":"00000000000001aa","id":"000000000000000b"}])
        );
    }
    peer.stop().await;
}

#[tokio::test]
async fn memory_is_bounded_and_the_newest_traces_stay() {
    let peer = Peer::with(&[("COLLECTOR_MEMORY", "1MiB")]).await;
    for batch in 0..40_u64 {
        let spans: Vec<_> = (1..=100)
            .map(|index| span(batch * 100 + index, 1, &format!(r#","name":"n{}""#, batch * 100 + index)))
            .collect();
        peer.report(format!("[{}]", spans.join(","))).await;
    }
    assert!(peer.metric(r#"octet_collector_kept{what="bytes"}"#).await <= 1 << 20);
    let (kept, evicted) = (
        peer.metric(r#"octet_collector_kept{what="traces"}"#).await,
        peer.metric("octet_collector_evicted_traces_total").await,
    );
    assert_eq!(kept + evicted, 4_000);
    assert!(evicted > 0);
    // Which of the older traces stay is left to chance; that all of a hundred do is out of the question.
    let mut gone = 0;
    for id in 1..=100 {
        gone += u32::from(peer.get(&format!("/api/v2/trace/{id:016x}")).await.status == 404);
    }
    assert!(gone > 0);
    peer.json(&format!("/api/v2/trace/{:016x}", 4_000)).await;

    let spans: Vec<_> = (1..=2_000).map(|id| span(9_999, id, "")).collect();
    peer.report(format!("[{}]", spans.join(","))).await;
    assert!(
        peer.metric(r#"octet_collector_spans_total{result="dropped"}"#).await > 0,
        "a giant trace loses spans"
    );
    peer.stop().await;
}

#[test]
fn the_fixture_is_well_formed() {
    assert!(Batch::read(PY_ZIPKIN.as_bytes()).is_whole());
}
