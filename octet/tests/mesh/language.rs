//! What a topology says beside its graph, over real processes.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::{Request, StatusCode};
use octet_proto::greeting::v3::{Greeting, GreetingRequest};
use octet_testbed::eventually;
use tokio::time::timeout;

use crate::{
    client::{Client, grpc},
    platform::{Mesh, resident},
    process::Process,
};

async fn mesh(topology: &str) -> Mesh {
    Mesh::builder().topology(topology).start().await
}

/// The services of the answer to the request number `id`, which with the topology's seed decides every draw.
async fn greeted(mesh: &Mesh, id: u32) -> Vec<String> {
    let request = Request::get(mesh.url("/api/greeting")).header("x-request-id", id.to_string());
    // Longer than the default: five processes share a busy machine.
    let request = request.header("grpc-timeout", "30S");
    let reply =
        Client::new().send(request.body(Full::default()).expect("a request")).await.expect("an answer");
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let services = answer["greeting"].as_array().expect("greetings").iter();
    services.map(|greeting| greeting["service"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn steps_times_shares_work_and_payloads_are_executed() {
    let mesh = mesh(
        r#"
        entry = "service-a"
        seed = 7
        [[service]]
        name = "service-a"
        calls = [["service-b"], ["service-c", "service-d"]]
        payload = "20KiB"
        [[service]]
        name = "service-b"
        work = "200ms"
        [[service]]
        name = "service-c"
        work = "200ms"
        [[service]]
        name = "service-d"
        [[edge]]
        at = "service-a>service-b"
        payload = "100KiB"
        [[edge]]
        at = "service-a>service-d"
        times = 2
        share = "50%"
        "#,
    )
    .await;
    let started = Instant::now();
    greeted(&mesh, 0).await;
    assert!(started.elapsed() >= Duration::from_millis(400), "the steps run one after the other");

    let all = ["service-a", "service-b", "service-c", "service-d", "service-d"];
    let mut lengths = [0; 2];
    for id in 0..12 {
        let greeted = greeted(&mesh, id).await;
        let called = greeted.len() == all.len();
        assert_eq!(greeted, if called { &all[..] } else { &all[..3] });
        lengths[usize::from(called)] += 1;
    }
    assert!(lengths.iter().all(|count| *count > 0), "{lengths:?}");
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    assert!(reply.body.len() > 20 * 1024, "{} bytes", reply.body.len());
}

#[tokio::test]
async fn a_limit_refuses_what_neither_is_worked_on_nor_may_wait() {
    let mesh = mesh(
        r#"
        entry = "service-a"
        [[service]]
        name = "service-a"
        work = "1s"
        limit = { concurrent = 1, queue = 1 }
        "#,
    )
    .await;
    let calls = (0..4).map(|_| async { Client::new().get(&mesh.url("/api/greeting")).await.status });
    let mut statuses = futures_util::future::join_all(calls).await;
    statuses.sort();
    assert_eq!(statuses, [200, 200, 429, 429].map(|code| StatusCode::from_u16(code).expect("a code")));
    mesh.metric_reaches("service-a", "octet_limit_refused_total", 2).await;
}

#[tokio::test]
async fn a_retry_policy_tries_again_and_a_deadline_ends_a_call() {
    let mesh = mesh(
        r#"
        entry = "service-a"
        seed = 7
        [[service]]
        name = "service-a"
        calls = ["service-b", "service-c"]
        policy = "partial"
        [[service]]
        name = "service-b"
        [[service]]
        name = "service-c"
        work = "10s"
        [[edge]]
        at = "service-a>service-b"
        retry = { attempts = 10, on = ["UNAVAILABLE"], backoff = "1ms" }
        [[edge]]
        at = "service-a>service-c"
        deadline = "300ms"
        [[fault]]
        at = "service-b"
        abort = "UNAVAILABLE"
        share = "50%"
        "#,
    )
    .await;
    // The attempts of a request are drawn independently: of these requests, none fails all ten.
    for id in 0..10 {
        let started = Instant::now();
        assert_eq!(greeted(&mesh, id).await, ["service-a", "service-b"]);
        assert!(started.elapsed() < Duration::from_secs(4), "service-c is not waited for");
    }
    let retries = "octet_upstream_retries_total{outcome=\"made\",upstream=\"service-b\"}";
    mesh.metric_reaches("service-a", retries, 1).await;
}

/// The value of a series of a process.
async fn metric(mesh: &Mesh, process: &str, series: &str) -> f64 {
    let metrics = Client::new().get(&mesh.admin(process, "/metrics")).await;
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_default()
}

#[tokio::test]
async fn work_goes_on_without_its_caller_only_where_the_topology_says_so() {
    const INSERTED: &str = "octet_store_inserts_total{outcome=\"new\"}";
    let text = r#"
        entry = "stopping"
        [defaults]
        work = "700ms"
        [[service]]
        name = "stopping"
        store = { database = "stopping", collection = "greetings" }
        [[service]]
        name = "finishing"
        store = { database = "finishing", collection = "greetings" }
        when_left = "finish"
        limit = { concurrent = 2 }
    "#;
    let mesh = mesh(text).await;
    for service in ["stopping", "finishing"] {
        let client = grpc(&mesh.server(service));
        let (mut unary, mut stream) = (client.clone(), client);
        let left = async {
            // Both callers leave in the middle of the work.
            let unary = timeout(Duration::from_millis(250), unary.greeting(GreetingRequest::default()));
            let stream = async {
                let stream = stream.greeting_stream(GreetingRequest::default()).await.expect("a stream");
                timeout(Duration::from_millis(250), stream.into_inner().message()).await
            };
            tokio::join!(unary, stream)
        };
        let (unary, stream) = left.await;
        assert!(unary.is_err() && stream.is_err(), "they left before the work was done");
        let working = metric(&mesh, service, "octet_limit_working").await;
        assert!(working <= 2.0, "{working}");
    }
    mesh.metric_reaches("finishing", INSERTED, 2).await;
    eventually("the work no longer counts against the limit", async || {
        metric(&mesh, "finishing", "octet_limit_working").await < 1.0
    })
    .await;
    assert!(metric(&mesh, "stopping", INSERTED).await < 1.0, "it stopped with its callers");
    mesh.end().await;
}

#[tokio::test]
async fn a_service_is_not_ready_before_its_time_and_serves_meanwhile() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("topology.toml");
    std::fs::write(&file, "entry = \"a\"\n[[service]]\nname = \"a\"\nready_after = \"2s\"\n")
        .expect("written");
    let started = Instant::now();
    let process = Process::start(&["service", "a"], &[("TOPOLOGY", &file.display().to_string())]).await;
    let url = format!("http://{}/readyz", process.admin);
    let reply = Client::new().get(&url).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.text().contains("not ready yet, by its ready_after"), "{}", reply.text());
    grpc(&process.address).greeting(GreetingRequest::default()).await.expect("it serves");
    Client::new().becomes(&url, StatusCode::OK).await;
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn cpu_time_and_memory_are_used_by_each_call() {
    const SECONDS: &str = "process_cpu_seconds_total";
    let text = r#"
        entry = "busy"
        [[service]]
        name = "busy"
        calls = ["large"]
        cpu = "40ms"
        [[service]]
        name = "large"
        memory = "32MiB"
        work = "1s"
    "#;
    let mesh = mesh(text).await;
    let large = mesh.pid("large").expect("running");
    let (cpu, memory) = (metric(&mesh, "busy", SECONDS).await, resident(large));
    let calls = futures_util::future::join_all((0..5).map(|id| greeted(&mesh, id)));
    let most = async {
        eventually("five calls hold their memory", async || {
            let held = resident(large).saturating_sub(memory) >> 20;
            if held >= 150 { Ok(()) } else { Err(format!("{held} MiB")) }
        })
        .await;
    };
    tokio::join!(calls, most);
    let spent = metric(&mesh, "busy", SECONDS).await - cpu;
    // The metric counts hundredths.
    assert!(spent >= 0.19, "{spent} s");
    eventually("the memory is free again", async || resident(large) < memory + (40 << 20)).await;
    mesh.end().await;
}

#[tokio::test]
async fn a_budget_bounds_the_retries_of_all_calls() {
    const CALLS: usize = 100;
    let text = r#"
        entry = "edge"
        [[service]]
        name = "edge"
        calls = ["sick"]
        [[service]]
        name = "sick"
        [[edge]]
        at = "edge>sick"
        retry = { attempts = 3, on = ["UNAVAILABLE"], budget = "10%", backoff = "1ms" }
        [[fault]]
        at = "sick"
        abort = "UNAVAILABLE"
    "#;
    let mesh = mesh(text).await;
    let client = Client::new();
    for _ in 0..CALLS {
        let status = client.get(&mesh.url("/api/greeting")).await.status;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let retries = async |outcome: &str| {
        let series = format!("octet_upstream_retries_total{{outcome=\"{outcome}\",upstream=\"sick\"}}");
        metric(&mesh, "edge", &series).await
    };
    let (made, refused) = (retries("made").await, retries("budget_spent").await);
    // Ten at first, and one for each ten calls; the last of them may be earned in part.
    assert!((18.0..=20.0).contains(&made), "{made} retries");
    assert!(refused >= 80.0, "{refused} were refused");
    let served =
        metric(&mesh, "sick", "octet_faults_total{at=\"sick\",effect=\"abort\",source=\"topology\"}").await;
    assert!((served - made - 100.0).abs() < 0.5, "{served} attempts");
    mesh.end().await;
}

#[tokio::test]
async fn streams_have_payloads_and_are_reset() {
    let text = r#"
        entry = "edge"
        [[service]]
        name = "edge"
        calls = ["leaf"]
        payload = "100KiB"
        [[service]]
        name = "leaf"
        payload = "30KiB"
        [[edge]]
        at = "edge>leaf"
        payload = "200KiB"
    "#;
    let mesh = mesh(text).await;
    let greet = async |process: &str| {
        let mut client = grpc(&mesh.server(process)).max_decoding_message_size(1 << 20);
        let mut stream =
            client.greeting_stream(GreetingRequest::default()).await.expect("a stream").into_inner();
        let mut lengths = std::collections::BTreeMap::new();
        loop {
            match stream.message().await {
                Ok(Some(Greeting { service, padding, .. })) => {
                    lengths.insert(service, padding.map(|padding| padding.len()));
                }
                Ok(None) => return (lengths, None),
                Err(status) => return (lengths, Some(status)),
            }
        }
    };
    let (lengths, end) = greet("edge").await;
    assert!(end.is_none(), "{end:?}");
    let (edge, leaf) = ("edge".to_owned(), "leaf".to_owned());
    assert_eq!(lengths, [(edge, Some(100 * 1024)), (leaf.clone(), None)].into(), "a payload travels one hop");
    assert_eq!(greet("leaf").await.0, [(leaf, Some(30 * 1024))].into());

    let put = Request::put(mesh.admin("leaf", "/faults?for=5m"));
    let put = put.body(Full::from("at=leaf reset=true")).expect("a request");
    assert_eq!(Client::new().send(put).await.expect("a reply").status, StatusCode::OK);
    let (lengths, end) = greet("leaf").await;
    let status = end.expect("reset");
    // A reset discards what is not on its way yet.
    assert!(lengths.len() <= 1, "{lengths:?}");
    assert!(format!("{status:?}").contains("Reset("), "RST_STREAM, not a status: {status:?}");
    let (_, end) = greet("edge").await;
    let status = end.expect("reset");
    assert!(status.message().starts_with("leaf: connection lost"), "{status:?}");
    mesh.end().await;
}
