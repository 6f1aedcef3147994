//! Attributes and events of spans: servers, the time in the queue, waits and retries.

use std::{net::SocketAddr, time::Duration};

use octet_testbed::eventually;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    client::Client,
    load::Load,
    platform::{Builder, Mesh},
    servers::{Servers, Storage},
    traces::{SPANS, TREE},
    zipkin::{Zipkin, tree},
};

fn traced(zipkin: &Zipkin) -> Builder {
    zipkin.environment().into_iter().fold(Mesh::builder(), |builder, (name, value)| builder.with(name, value))
}

/// Sends a request in a trace of its own, and returns the id of the trace.
async fn greet(mesh: &Mesh) -> String {
    let id = "b".repeat(32);
    let request = hyper::Request::get(mesh.url("/api/greeting"))
        .header("b3", format!("{id}-00000000000000b1-1"))
        .body(http_body_util::Full::default());
    let reply = Client::new().send(request.expect("a request")).await.expect("a response");
    assert_eq!(reply.status, 200, "{}", reply.text());
    id
}

/// Waits for a span and returns it.
async fn wait_for(zipkin: &Zipkin, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("a span of {what} arrives"), async || zipkin.spans().into_iter().find(&is_it)).await
}

fn of<'a>(trace: &'a [Value], service: &str, kind: &str) -> &'a Value {
    let is_it = |span: &&Value| span["localEndpoint"]["serviceName"] == service && span["kind"] == kind;
    trace.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} of {service}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("no number: {value}"))
}

/// The annotations with this prefix.
fn annotations<'a>(span: &'a Value, prefix: &str) -> Vec<&'a str> {
    let all = span["annotations"].as_array().into_iter().flatten();
    all.filter_map(|annotation| annotation["value"].as_str())
        .filter(|text| text.starts_with(prefix))
        .collect()
}

/// Checks that the span names the server, in its attributes and as its remote endpoint.
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
async fn the_trace_names_servers_and_shows_the_time_in_the_queue_and_the_waits() {
    let zipkin = Zipkin::start().await;
    let mut servers = Servers::start().await;
    let storage = Storage::Servers { broker: servers.broker.url(), database: servers.database.url() };
    let mesh = traced(&zipkin).with("FAILURE_POLICY", "partial").on(storage).start().await;
    for service in ["service-c", "service-d", "service-f", "service-g", "service-h"] {
        Client::new().becomes(&mesh.admin(service, "/readyz"), hyper::StatusCode::OK).await;
    }

    // F is stopped, so that the message waits in the queue.
    let held = Duration::from_millis(400);
    mesh.signal("service-f", Signal::STOP);
    Client::new().get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    tokio::time::sleep(held).await;
    mesh.signal("service-f", Signal::CONT);
    let trace = zipkin.trace(&zipkin.trace_id().await, SPANS).await;
    assert_eq!(tree(&trace), TREE);
    let (sent, taken) = (of(&trace, "service-d", "PRODUCER"), of(&trace, "service-f", "CONSUMER"));
    assert_eq!((&taken["parentId"], &taken["traceId"]), (&sent["id"], &sent["traceId"]));
    let waited = number(&taken["tags"]["octet.queue.wait_ms"]);
    let between = (number(&taken["timestamp"]) - number(&sent["timestamp"])) / 1_000.0;
    assert!(waited >= 390.0, "{waited} ms in the queue");
    // The message is sent after the start of its span, and the wait ends with the start of the other.
    assert!(waited <= between + 10.0, "{waited} ms reported, {between} ms between the spans");

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

    // Without its database F keeps the message, and its span shows the reason.
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
async fn retries_during_the_restart_of_an_upstream_are_events_of_the_callers_span() {
    let zipkin = Zipkin::start().await;
    let builder = traced(&zipkin).with("CONNECT_WAIT", "3s");
    let mesh = builder.with("LOG_LEVEL", "info,octet_runtime::upstream=debug").start().await;
    let load = Load::until_stopped(&mesh, 5);
    load.reaches(50).await;
    // While the runner is stopped it does not restart G, so that calls meet its closed port.
    mesh.signal_up(Signal::STOP);
    mesh.signal("service-g", Signal::TERM);
    mesh.logs("service-e", "not processed; retrying").await;
    mesh.signal_up(Signal::CONT);
    let retried = |span: &Value| !annotations(span, "not processed; retrying").is_empty();
    let span = wait_for(&zipkin, "a retry", retried).await;
    let report = load.stop().await;
    report.assert_all_valid();
    assert_eq!(report.failures(), [].into());

    assert_eq!(
        (&span["kind"], &span["localEndpoint"]["serviceName"]),
        (&json!("CLIENT"), &json!("service-e"))
    );
    assert_eq!(span["remoteEndpoint"]["serviceName"], "service-g");
    let tags = &span["tags"];
    assert_eq!((&tags["rpc.response.status_code"], &tags["error"]), (&json!("OK"), &Value::Null));
    for retry in annotations(&span, "not processed; retrying") {
        assert!(retry.contains(" wait=") && retry.contains(" reason="), "{retry}");
    }
    // The trace of the retried call is complete.
    let id = span["traceId"].as_str().expect("an id");
    let trace = zipkin.trace(id, SPANS).await;
    assert_eq!(tree(&trace), TREE);
    mesh.end().await;
}
