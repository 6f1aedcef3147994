//! What spans tell beyond the tree: servers, the time in the queue, waits and retries.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    client::Client,
    load::Load,
    platform::{Builder, Mesh, PATIENCE},
    servers::{Place, Servers},
    traces::{SPANS, TREE},
    zipkin::{Zipkin, tree},
};

fn traced(zipkin: &Zipkin) -> Builder {
    zipkin.environment().into_iter().fold(Mesh::builder(), |builder, (name, value)| builder.with(name, value))
}

/// Greets under a trace of its own, and answers with its id.
async fn greet(mesh: &Mesh) -> String {
    let id = "b".repeat(32);
    let request = hyper::Request::get(mesh.url("/api/greeting"))
        .header("b3", format!("{id}-00000000000000b1-1"))
        .body(http_body_util::Full::default());
    let reply = Client::new().send(request.expect("a request")).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    id
}

/// Waits for a span, and answers with it.
async fn wait_for(zipkin: &Zipkin, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        if let Some(span) = zipkin.spans().into_iter().find(&is_it) {
            return span;
        }
        assert!(begun.elapsed() < PATIENCE, "no span: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn of<'a>(trace: &'a [Value], service: &str, kind: &str) -> &'a Value {
    let is_it = |span: &&Value| span["localEndpoint"]["serviceName"] == service && span["kind"] == kind;
    trace.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} of {service}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("no number: {value}"))
}

/// The annotations that begin so.
fn annotations<'a>(span: &'a Value, beginning: &str) -> Vec<&'a str> {
    let all = span["annotations"].as_array().into_iter().flatten();
    all.filter_map(|annotation| annotation["value"].as_str())
        .filter(|text| text.starts_with(beginning))
        .collect()
}

/// The span names the server, as attributes and as its remote endpoint.
#[track_caller]
fn assert_names(span: &Value, system: (&str, &str), server: SocketAddr) {
    let tags = &span["tags"];
    assert_eq!(tags[system.0], system.1, "{span}");
    assert_eq!(
        (&tags["server.address"], &tags["server.port"]),
        (&json!("127.0.0.1"), &json!(server.port().to_string()))
    );
    let remote = &span["remoteEndpoint"];
    assert_eq!((&remote["ipv4"], &remote["port"]), (&json!("127.0.0.1"), &json!(server.port())), "{span}");
}

#[tokio::test]
async fn on_servers_the_trace_names_them_and_shows_the_time_in_the_queue_and_what_was_waited_for() {
    let zipkin = Zipkin::start().await;
    let mut servers = Servers::start().await;
    let place = Place::Servers { broker: servers.broker.url(), database: servers.database.url() };
    let mesh = traced(&zipkin).with("FAILURE_POLICY", "partial").on(place).start().await;
    for service in ["service-c", "service-d", "service-f", "service-g", "service-h"] {
        Client::new().becomes(&mesh.admin(service, "/readyz"), hyper::StatusCode::OK).await;
    }

    // F is held up, so that the message has something to wait for.
    let held = Duration::from_millis(400);
    mesh.signal("service-f", Signal::STOP);
    Client::new().get(&mesh.url("/api/greeting")).await.answer().expect("whole");
    tokio::time::sleep(held).await;
    mesh.signal("service-f", Signal::CONT);
    let trace = zipkin.trace(&zipkin.trace_id().await, SPANS).await;
    assert_eq!(tree(&trace), TREE);
    let (sent, taken) = (of(&trace, "service-d", "PRODUCER"), of(&trace, "service-f", "CONSUMER"));
    assert_eq!((&taken["parentId"], &taken["traceId"]), (&sent["id"], &sent["traceId"]));
    let waited = number(&taken["tags"]["octet.queue.wait_ms"]);
    let between = (number(&taken["timestamp"]) - number(&sent["timestamp"])) / 1_000.0;
    assert!(waited >= 390.0, "{waited} ms in the queue");
    assert!((between - waited).abs() < 100.0, "{waited} ms said, {between} ms from one span to the other");

    let broker = SocketAddr::from(([127, 0, 0, 1], servers.broker.port()));
    for span in [sent, taken] {
        assert_names(span, ("messaging.system", "rabbitmq"), broker);
        assert_eq!(span["tags"]["messaging.destination.name"], "service-d.greeting");
    }
    for service in ["service-c", "service-f", "service-g", "service-h"] {
        let insert = of(&trace, service, "CLIENT");
        assert_names(insert, ("db.system.name", "mongodb"), servers.database.socket());
        assert_eq!(
            (&insert["tags"]["octet.store.outcome"], &insert["tags"]["error"]),
            (&json!("new"), &Value::Null)
        );
    }

    // Without its database F keeps the message, and its span says for what it waits.
    servers.database.kill();
    let id = greet(&mesh).await;
    let in_trace = |span: &Value| span["traceId"] == id;
    let failed =
        wait_for(&zipkin, "a failed insert", |span| in_trace(span) && span["name"] == "insert messages")
            .await;
    assert_eq!(failed["tags"]["octet.store.outcome"], "unavailable");
    assert!(failed["tags"]["error"].is_string(), "{failed}");
    servers.database.restart().await;
    let stored =
        wait_for(&zipkin, "the end of F's wait", |span| in_trace(span) && span["kind"] == "CONSUMER").await;
    let waits = annotations(&stored, "store unavailable; waiting reason=");
    assert!(!waits.is_empty(), "{stored}");
    assert_eq!(
        (&stored["tags"]["octet.queue.outcome"], &stored["tags"]["error"]),
        (&json!("stored"), &Value::Null)
    );
    mesh.end().await;
}

#[tokio::test]
async fn an_upstream_that_restarts_under_load_shows_its_retries_on_the_callers_span() {
    let zipkin = Zipkin::start().await;
    let builder = traced(&zipkin).with("CONNECT_WAIT", "3s");
    let mesh = builder.with("LOG_LEVEL", "info,octet_runtime::upstream=debug").start().await;
    let load = Load::until_stopped(&mesh, 5);
    load.reaches(50).await;
    // A runner that is held up starts G again no sooner than a call has met its closed port.
    mesh.signal_up(Signal::STOP);
    mesh.signal("service-g", Signal::TERM);
    mesh.logs("service-e", "not processed; retrying").await;
    mesh.signal_up(Signal::CONT);
    let retried = |span: &Value| !annotations(span, "not processed; retrying").is_empty();
    let span = wait_for(&zipkin, "a retry", retried).await;
    let report = load.stop().await;
    report.assert_none_wrong();
    assert_eq!(report.failures(), [].into());

    assert_eq!(
        (&span["kind"], &span["localEndpoint"]["serviceName"]),
        (&json!("CLIENT"), &json!("service-e"))
    );
    assert_eq!(span["remoteEndpoint"]["serviceName"], "service-g");
    assert_eq!((&span["tags"]["rpc.grpc.status_code"], &span["tags"]["error"]), (&json!("0"), &Value::Null));
    for told in annotations(&span, "not processed; retrying") {
        assert!(told.contains(" wait=") && told.contains(" reason="), "{told}");
    }
    // The retry is told where it was, and the trace is as whole as any.
    let id = span["traceId"].as_str().expect("an id");
    let trace = zipkin.trace(id, SPANS).await;
    assert_eq!(tree(&trace), TREE);
    mesh.end().await;
}
