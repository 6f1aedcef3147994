//! The series of `/metrics`: each has a unit, and requests cannot create more of them.

use std::collections::BTreeSet;

use http_body_util::Full;
use hyper::{Method, Request, body::Bytes};
use hyper_util::{client::legacy::Client as Legacy, rt::TokioExecutor};
use octet_testbed::eventually;

use crate::{
    client::Client,
    platform::{Mesh, PROCESSES},
};

/// The help of each series contains one of these units.
const UNITS: [&str; 12] = [
    "econds",
    "bytes",
    "RPCs",
    "Inserts",
    "essages",
    "Deliveries",
    "pans",
    "races",
    "quests",
    "umber of",
    "else 0",
    "always 1",
];

async fn metrics(client: &Client, mesh: &Mesh, process: &str) -> String {
    client.get(&mesh.admin(process, "/metrics")).await.text().to_owned()
}

/// Names with their labels, without the values.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').expect("a value").0.to_owned()).collect()
}

#[tokio::test]
async fn the_help_of_every_series_has_a_unit() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    for process in PROCESSES {
        let text = metrics(&client, &mesh, process).await;
        let help: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
        for line in &help {
            assert!(UNITS.iter().any(|unit| line.contains(unit)), "{process}: no unit in {line:?}");
        }
        let kinds = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(kinds, help.len(), "{process}: a help for each");
    }
    mesh.end().await;
}

#[tokio::test]
async fn the_series_of_a_role_exist_from_the_start() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let expected: [(&str, &[&str]); 3] = [
        (
            "service-c",
            &[
                r#"octet_store_inserts_total{outcome="rejected"} 0"#,
                r#"octet_store_inserts_total{outcome="unavailable"} 0"#,
                "octet_store_up 1",
            ],
        ),
        (
            "service-d",
            &[
                r#"octet_queue_published_total{outcome="unavailable"} 0"#,
                r#"octet_queue_published_total{outcome="rejected"} 0"#,
                "octet_queue_publisher_up 1",
            ],
        ),
        (
            "service-f",
            &[
                r#"octet_queue_settled_total{outcome="dead_lettered"} 0"#,
                r#"octet_queue_settled_total{outcome="settle_failed"} 0"#,
                "octet_queue_redelivered_total 0",
                "octet_queue_consumer_up 1",
                "octet_queue_ready 0",
                "octet_queue_oldest_seconds 0",
                "octet_queue_dead_letters 0",
            ],
        ),
    ];
    for (process, lines) in expected {
        // The first inspection of the queue may still be in flight when the platform is up.
        eventually(&format!("{process} has all its series"), async || {
            let text = metrics(&client, &mesh, process).await;
            let missing = lines.iter().find(|line| !text.lines().any(|shown| shown == **line));
            missing.map_or(Ok(()), |missing| Err(format!("{missing} is missing in {text}")))
        })
        .await;
    }
    mesh.end().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_create_no_series() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let http2 = Legacy::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let round = async |name: &str| {
        for method in ["GET", "POST", "DELETE", "BREW", name] {
            for path in ["/api/greeting", &format!("/api/{name}"), &format!("/{name}?{name}={name}")] {
                let request = Request::builder()
                    .method(Method::from_bytes(method.as_bytes()).expect("a method"))
                    .uri(mesh.url(path))
                    .header("x-request-id", name)
                    .body(Full::default());
                client.send(request.expect("a request")).await.expect("a response");
            }
        }
        for service in ["service-b", "service-c"] {
            for path in [format!("/greeting.v3.GreetingService/{name}"), format!("/{name}.Service/Greeting")]
            {
                let request = Request::post(format!("http://{}{path}", mesh.address(service)))
                    .header("content-type", "application/grpc")
                    .body(Full::default());
                http2.request(request.expect("a request")).await.expect("a response");
            }
        }
    };
    // Each kind of response creates its series once.
    round("first").await;
    let processes = ["gateway", "service-b", "service-c"];
    let mut before = Vec::new();
    for process in processes {
        before.push(series(&metrics(&client, &mesh, process).await));
    }
    for number in 0..100 {
        round(&format!("odd{number}")).await;
    }
    for (process, before) in processes.into_iter().zip(before) {
        let after = series(&metrics(&client, &mesh, process).await);
        assert_eq!(after.difference(&before).collect::<Vec<_>>(), [] as [&String; 0], "{process}");
    }
    mesh.end().await;
}

#[tokio::test]
async fn the_gateway_serves_its_metrics_at_api_metrics() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    let reply = client.get(&mesh.url("/api/metrics")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.text().contains(r#"octet_build_info{service="gateway""#), "{}", reply.text());
    let missing = r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/api/greeting"} 1"#;
    assert!(reply.text().contains(missing), "{}", reply.text());
    let post = Request::post(mesh.url("/api/metrics")).body(Full::default()).expect("a request");
    let refused = client.send(post).await.expect("a response");
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET,HEAD"));
    mesh.end().await;
}

#[tokio::test]
async fn clients_that_prefer_open_metrics_get_it_from_the_admin_port_and_the_gateway() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    for url in [mesh.admin("service-a", "/metrics"), mesh.url("/api/metrics")] {
        let get = async |accept: &str| {
            let request = Request::get(&url).header("accept", accept).body(Full::default());
            client.send(request.expect("a request")).await.expect("a response")
        };
        let open = get("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5").await;
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!((open.status.as_u16(), open.header("content-type")), (200, content_type));
        assert_eq!(open.header("vary"), "accept");
        assert!(open.text().ends_with("# EOF\n") && open.text().contains("le=\"1.0\""), "{}", open.text());
        assert!(open.text().contains("# {trace_id=\""), "{}", open.text());
        let plain = get("text/plain").await;
        assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4");
        assert!(plain.text().contains("le=\"1\"") && !plain.text().contains("trace_id"), "{}", plain.text());
    }
    mesh.end().await;
}
