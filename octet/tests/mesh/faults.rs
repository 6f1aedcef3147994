//! Faults over real processes: one test for each effect, and the ways in.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{Request, StatusCode, body::Bytes};
use octet_testbed::eventually;
use tonic::Code;

use crate::{
    client::{Client, ErrorBody, Reply},
    platform::{Mesh, octet, resident},
};

const FAULT: &str = "octet-fault";

/// Sets the faults of one process.
async fn put(mesh: &Mesh, process: &str, faults: &str) {
    let url = mesh.admin(process, "/faults?for=5m");
    let body = Full::new(Bytes::from(faults.to_owned()));
    let reply = Client::new().send(Request::put(url).body(body).expect("a request")).await.expect("a reply");
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
}

async fn clear(mesh: &Mesh, process: &str) {
    let request = Request::delete(mesh.admin(process, "/faults")).body(Full::default()).expect("a request");
    assert_eq!(Client::new().send(request).await.expect("a reply").status, StatusCode::OK);
}

async fn greet(mesh: &Mesh, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::get(mesh.url("/api/greeting"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a reply")
}

fn message(reply: &Reply) -> String {
    let body = serde_json::from_slice::<ErrorBody>(&reply.body);
    body.map_or_else(|_| reply.text().to_owned(), |body| body.message)
}

/// A series of a process, 0 if it is absent.
async fn metric<T: FromStr + Default>(mesh: &Mesh, process: &str, series: &str) -> T {
    let metrics = Client::new().get(&mesh.admin(process, "/metrics")).await;
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_default()
}

const INSERTED: &str = "octet_store_inserts_total{outcome=\"new\"}";
const DUPLICATES: &str = "octet_store_inserts_total{outcome=\"already_there\"}";

#[tokio::test]
async fn abort_fails_at_once_and_delay_answers_later() {
    let mesh = Mesh::start().await;
    put(&mesh, "service-g", "at=service-g abort=UNAVAILABLE").await;
    let reply = greet(&mesh, &[]).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        message(&reply).ends_with("service-b/service-e/service-g: injected: UNAVAILABLE"),
        "{}",
        message(&reply)
    );
    assert_eq!(metric::<u64>(&mesh, "service-g", INSERTED).await, 0, "nothing is done");
    let series = "octet_faults_total{at=\"service-g\",effect=\"abort\",source=\"admin\"}";
    assert_eq!(metric::<u64>(&mesh, "service-g", series).await, 1);

    clear(&mesh, "service-g").await;
    put(&mesh, "service-e", "at=service-e>service-g delay=400ms").await;
    let started = Instant::now();
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::OK);
    assert!(started.elapsed() >= Duration::from_millis(400));
    mesh.end().await;
}

#[tokio::test]
async fn lose_fails_what_was_done_and_octets_own_retries_send_nothing_twice() {
    let mesh = Mesh::start().await;
    put(&mesh, "service-a", "at=service-a>service-c lose=UNAVAILABLE").await;
    for _ in 0..20 {
        let reply = greet(&mesh, &[]).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        let text = message(&reply);
        assert!(text.ends_with("service-c: injected: UNAVAILABLE, after the work was done"), "{text}");
    }
    assert_eq!(metric::<u64>(&mesh, "service-c", INSERTED).await, 20);
    assert_eq!(metric::<u64>(&mesh, "service-c", DUPLICATES).await, 0);
    mesh.end().await;
}

#[tokio::test]
async fn drop_leaves_the_caller_without_an_answer_until_its_deadline() {
    let mesh = Mesh::start().await;
    put(&mesh, "service-c", "at=service-c drop=true").await;
    let started = Instant::now();
    let (code, text) = Client::http2().grpc_outcome(&mesh.address("service-c"), "800m").await;
    assert_eq!((code, text.as_str()), (Code::DeadlineExceeded, "injected: no answer until the deadline"));
    assert!(started.elapsed() >= Duration::from_millis(750), "{:?}", started.elapsed());
    mesh.end().await;
}

#[tokio::test]
async fn reset_breaks_the_stream_and_throttle_lets_the_answer_trickle() {
    let mesh = Mesh::start().await;
    put(&mesh, "service-c", "at=service-c reset=true").await;
    let reply = greet(&mesh, &[]).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(message(&reply).contains("service-c: connection lost"), "{}", message(&reply));

    clear(&mesh, "service-c").await;
    put(&mesh, "service-a", "at=service-a>service-c reset=true").await;
    let reply = greet(&mesh, &[]).await;
    assert!(message(&reply).contains("service-c: injected: connection lost"), "{}", message(&reply));

    clear(&mesh, "service-a").await;
    for (process, at) in [("service-c", "service-c"), ("service-a", "service-a>service-c")] {
        put(&mesh, process, &format!("at={at} throttle=200B/s")).await;
        let started = Instant::now();
        assert_eq!(greet(&mesh, &[]).await.status, StatusCode::OK);
        // One greeting has more than 150 bytes.
        assert!(started.elapsed() >= Duration::from_millis(600), "{at}: {:?}", started.elapsed());
        clear(&mesh, process).await;
    }
    mesh.end().await;
}

#[tokio::test]
async fn cpu_memory_and_stall_take_the_resources_of_the_process() {
    let mesh = Mesh::start().await;
    let pid = mesh.pid("service-c").expect("running");
    let cpu = "process_cpu_seconds_total";
    let before = metric::<f64>(&mesh, "service-c", cpu).await;
    put(&mesh, "service-c", "at=service-c cpu=300ms").await;
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::OK);
    assert!(metric::<f64>(&mesh, "service-c", cpu).await - before >= 0.28);

    let before = resident(pid);
    put(&mesh, "service-c", "at=service-c memory=64MiB\nat=service-c delay=3s").await;
    let call = tokio::spawn({
        let url = mesh.url("/api/greeting");
        async move { Client::new().get(&url).await.status }
    });
    eventually("the call holds its memory", async || resident(pid) >= before + (60 << 20)).await;
    assert_eq!(call.await.expect("no panic"), StatusCode::OK);

    put(&mesh, "service-c", "at=service-c stall=300ms").await;
    let started = Instant::now();
    let calls = (0..4).map(|_| greet(&mesh, &[]));
    for reply in futures_util::future::join_all(calls).await {
        assert_eq!(reply.status, StatusCode::OK);
    }
    // One after the other: the process does nothing else. Delays would pass together.
    assert!(started.elapsed() >= Duration::from_millis(1_200), "{:?}", started.elapsed());
    mesh.end().await;
}

#[tokio::test]
async fn unready_fails_readiness_while_the_process_serves_and_crash_ends_it() {
    let mesh = Mesh::start().await;
    put(&mesh, "service-c", "at=service-c unready=true").await;
    let ready = Client::new().get(&mesh.admin("service-c", "/readyz")).await;
    assert_eq!(
        (ready.status, ready.text().trim()),
        (StatusCode::SERVICE_UNAVAILABLE, "fault: injected: unready")
    );
    assert_eq!(Client::new().get(&mesh.admin("service-c", "/livez")).await.status, StatusCode::OK);
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::OK);
    clear(&mesh, "service-c").await;
    assert_eq!(Client::new().get(&mesh.admin("service-c", "/readyz")).await.status, StatusCode::OK);

    let pid = mesh.pid("service-c");
    put(&mesh, "service-c", "at=service-c crash=true").await;
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    mesh.logs("service-c", "injected: crash").await;
    eventually("octet up starts it again", async || {
        mesh.pid("service-c").is_some_and(|now| Some(now) != pid)
    })
    .await;
    eventually("it serves, without the fault", async || greet(&mesh, &[]).await.status == StatusCode::OK)
        .await;
    mesh.end().await;
}

#[tokio::test]
async fn duplicate_publishes_a_message_twice_and_a_store_can_fail() {
    let mesh = Mesh::start().await;
    put(&mesh, "service-d", "at=service-d>queue duplicate=true").await;
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::OK);
    mesh.metric_reaches("service-f", INSERTED, 1).await;
    mesh.metric_reaches("service-f", DUPLICATES, 1).await;

    clear(&mesh, "service-d").await;
    put(&mesh, "service-c", "at=service-c>store abort=INTERNAL").await;
    let reply = greet(&mesh, &[]).await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(message(&reply).ends_with("service-c: injected: INTERNAL"), "{}", message(&reply));

    clear(&mesh, "service-c").await;
    // The message is stored once, although the first attempts seem to fail.
    let stored = metric::<f64>(&mesh, "service-f", INSERTED).await;
    put(&mesh, "service-f", "at=service-f>store lose=UNAVAILABLE share=50%").await;
    for _ in 0..20 {
        assert_eq!(greet(&mesh, &[]).await.status, StatusCode::OK);
    }
    mesh.metric_reaches("service-f", "octet_queue_settled_total{outcome=\"duplicate\"}", 1).await;
    eventually("every message is stored once", async || {
        let now = metric::<f64>(&mesh, "service-f", INSERTED).await;
        if now - stored >= 20.0 { Ok(()) } else { Err(now) }
    })
    .await;
    mesh.end().await;
}

#[tokio::test]
async fn the_same_seed_and_request_ids_fail_the_same_requests() {
    let mesh = Mesh::builder()
        .with("SEED", "7")
        .with("FAULTS", "at=service-c abort=ABORTED share=10%")
        .start()
        .await;
    let round = async || {
        let mut failed = Vec::new();
        for id in 0..150 {
            let id = format!("request-{id}");
            if greet(&mesh, &[("x-request-id", &id)]).await.status != StatusCode::OK {
                failed.push(id);
            }
        }
        failed
    };
    let first = round().await;
    assert!((3..=30).contains(&first.len()), "{first:?}");
    assert_eq!(round().await, first);
    mesh.end().await;
}

#[tokio::test]
async fn a_header_acts_on_its_own_request_on_every_hop() {
    let mesh = Mesh::start().await;
    let reply = greet(&mesh, &[(FAULT, "at=service-e>service-g abort=UNAVAILABLE")]).await;
    assert!(message(&reply).ends_with("service-e/service-g: injected: UNAVAILABLE"), "{}", message(&reply));
    let reply = greet(&mesh, &[(FAULT, "at=gateway>service-a abort=ABORTED")]).await;
    assert_eq!(reply.status, StatusCode::CONFLICT, "{}", reply.text());
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::OK);

    let reply = greet(&mesh, &[(FAULT, "at=service-g delay=1")]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(message(&reply).starts_with("octet-fault:1:20: delay: must be"), "{}", message(&reply));
    // Through a proxy it comes from anybody.
    let proxied = [(FAULT, "at=service-g drop=true"), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(greet(&mesh, &proxied).await.status, StatusCode::OK);
    mesh.end().await;
}

#[tokio::test]
async fn with_a_key_a_header_needs_its_proof() {
    let key = "a-key-of-enough-length";
    let mesh = Mesh::builder().with("FAULT_KEY", key).start().await;
    let text = "at=service-g abort=UNAVAILABLE";
    let reply = greet(&mesh, &[(FAULT, text)]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.text());
    let expiry = std::time::SystemTime::now() + Duration::from_mins(5);
    let proof = octet_runtime::faults::FaultKey::new(key).expect("a key").sign(text, expiry);
    let reply = greet(&mesh, &[(FAULT, text), ("octet-fault-proof", &proof)]).await;
    assert!(message(&reply).contains("service-g: injected: UNAVAILABLE"), "{}", message(&reply));
    mesh.end().await;
}

#[tokio::test]
async fn a_watched_file_is_read_again_and_a_broken_one_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("faults");
    std::fs::write(&file, "at=service-c abort=ABORTED\n").expect("written");
    let mesh = Mesh::builder().with("FAULTS_FILE", file.display().to_string()).start().await;
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::CONFLICT);
    std::fs::write(&file, "at=service-c abort=BROKEN\n").expect("written");
    mesh.logs("service-c", "FAULTS_FILE is invalid").await;
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::CONFLICT);
    std::fs::write(&file, "").expect("written");
    eventually("the fault is gone", async || greet(&mesh, &[]).await.status == StatusCode::OK).await;
    mesh.end().await;
}

#[tokio::test]
async fn faults_at_run_time_need_the_token_and_end_by_themselves() {
    let token = "a-token-of-enough-length";
    let mesh = Mesh::builder().with("ADMIN_TOKEN", token).start().await;
    let put = async |authorization: &str, query: &str, body: &str| {
        let request = Request::put(mesh.admin("service-c", &format!("/faults{query}")))
            .header("authorization", authorization)
            .body(Full::new(Bytes::from(body.to_owned())));
        Client::new().send(request.expect("a request")).await.expect("a reply")
    };
    let bearer = format!("Bearer {token}");
    let fault = "at=service-c abort=ABORTED";
    assert_eq!(put("Bearer wrong", "", fault).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(put(&bearer, "?for=25h", fault).await.status, StatusCode::BAD_REQUEST);
    let reply = put(&bearer, "", "at=service-x abort=ABORTED").await;
    assert!(reply.text().starts_with("at=service-x: service-x is not a service"), "{}", reply.text());
    let reply = put(&bearer, "?for=1s", fault).await;
    assert_eq!(reply.status, StatusCode::OK);
    let shown: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(
        (&shown["faults"][0]["fault"], &shown["faults"][0]["source"]),
        (&fault.into(), &"admin".into())
    );
    eventually("the fault ends", async || {
        let shown = Client::new().get(&mesh.admin("service-c", "/faults")).await;
        shown.text().contains("\"faults\":[]")
    })
    .await;
    mesh.logs("service-c", "faults set").await;
    mesh.end().await;
}

async fn command(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut octet = octet();
    octet.arg("fault").args(arguments).envs(variables.iter().copied());
    let output = octet.output().await.expect("runs");
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).expect("UTF-8"))
}

#[tokio::test]
async fn the_command_sets_lists_and_clears_the_faults_of_every_process() {
    let mesh = Mesh::start().await;
    let data = mesh.data().to_str().expect("UTF-8");
    let fault = "at=service-g abort=ABORTED";
    let (code, printed) = command(&["put", "--for", "5m", fault, "--data", data], &[]).await;
    assert_eq!(
        (code, printed.lines().filter(|line| line.ends_with(" set")).count()),
        (Some(0), 9),
        "{printed}"
    );
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::CONFLICT);

    let (code, printed) = command(&["list", "--data", data], &[]).await;
    assert_eq!(code, Some(0));
    let line = printed.lines().find(|line| line.starts_with("service-g ")).expect("a line for G");
    assert!(line.contains(fault) && line.contains("acted 1 times"), "{line}");

    assert_eq!(command(&["clear", "--data", data], &[]).await.0, Some(0));
    assert_eq!(greet(&mesh, &[]).await.status, StatusCode::OK);

    // A process that refuses is named, and the status says so.
    mesh.signal("service-c", rustix::process::Signal::STOP);
    let (code, printed) = command(&["put", fault, "--data", data], &[]).await;
    mesh.signal("service-c", rustix::process::Signal::CONT);
    let failed = printed.lines().filter(|line| line.contains("failed: no response within 5s"));
    assert_eq!((code, failed.count()), (Some(1), 1), "{printed}");
    mesh.end().await;

    let (code, printed) = command(&["list", "--data", "/nowhere"], &[]).await;
    assert!(code == Some(1) && printed.contains("no `octet up` runs in /nowhere"), "{printed}");
    let (code, printed) = command(&["put", "at=service-g abort=NO"], &[]).await;
    assert!(code == Some(64) && printed.contains("NO"), "{printed}");
}

#[tokio::test]
async fn headers_that_the_command_signs_are_accepted() {
    let key = ("FAULT_KEY", "a-key-of-enough-length");
    let mesh = Mesh::builder().with(key.0, key.1).start().await;
    let fault = "at=service-e>service-g abort=ABORTED";
    let (code, printed) = command(&["sign", fault], &[key]).await;
    assert_eq!(code, Some(0), "{printed}");
    let headers: Vec<_> = printed.lines().map(|line| line.split_once(": ").expect("a header")).collect();
    assert_eq!(greet(&mesh, &headers).await.status, StatusCode::CONFLICT);
    let (code, printed) = command(&["sign", fault], &[]).await;
    assert!(code == Some(64) && printed.contains("FAULT_KEY"), "{printed}");
    mesh.end().await;
}
