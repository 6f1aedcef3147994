//! What `/metrics` tells: every series with its unit, as many of them as there are routes, and no more.

use std::collections::BTreeSet;

use http_body_util::Full;
use hyper::{Method, Request, body::Bytes};
use hyper_util::{client::legacy::Client as Legacy, rt::TokioExecutor};

use crate::{
    client::Client,
    platform::{Mesh, PATIENCE, PROCESSES},
};

/// What is counted or measured: one of these stands in each series' help.
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
    "1 or 0",
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
async fn every_series_says_its_unit() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    client.get(&mesh.url("/api/greeting")).await.answer().expect("whole");
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
async fn a_role_has_its_series_before_anything_has_happened() {
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
        let begun = std::time::Instant::now();
        loop {
            let text = metrics(&client, &mesh, process).await;
            let Some(missing) = lines.iter().find(|line| !text.lines().any(|told| told == **line)) else {
                break;
            };
            // The first look is under way when the platform is up.
            assert!(begun.elapsed() < PATIENCE, "{process} has no {missing}: {text}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    mesh.end().await;
}

#[tokio::test]
async fn odd_paths_and_methods_make_no_series() {
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
                client.send(request.expect("a request")).await.expect("an answer");
            }
        }
        for service in ["service-b", "service-c"] {
            for path in [format!("/greeting.v3.GreetingService/{name}"), format!("/{name}.Service/Greeting")]
            {
                let request = Request::post(format!("http://{}{path}", mesh.address(service)))
                    .header("content-type", "application/grpc")
                    .body(Full::default());
                http2.request(request.expect("a request")).await.expect("an answer");
            }
        }
    };
    // Each kind of answer has its series once.
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
async fn the_gateway_tells_its_own_metrics_at_the_edge() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    client.get(&mesh.url("/api/greeting")).await.answer().expect("whole");
    let told = client.get(&mesh.url("/api/metrics")).await;
    assert_eq!(told.status, 200);
    assert_eq!(told.header("content-type"), "text/plain; version=0.0.4");
    assert_eq!(told.header("cache-control"), "no-store");
    assert!(told.text().contains(r#"octet_build_info{service="gateway""#), "{}", told.text());
    let missing = r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/api/greeting"} 1"#;
    assert!(told.text().contains(missing), "{}", told.text());
    let post = Request::post(mesh.url("/api/metrics")).body(Full::default()).expect("a request");
    let refused = client.send(post).await.expect("an answer");
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET,HEAD"));
    mesh.end().await;
}
