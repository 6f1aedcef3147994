//! `/api/processes`: what admin servers report, at a bounded cost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, http::StatusCode, routing::get};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{client::get as request, gateway::Gateway};

/// An admin server of a test.
struct Admin {
    address: String,
    /// Requests for `/metrics`.
    reads: Arc<AtomicUsize>,
    served: JoinHandle<()>,
}

impl Admin {
    async fn start(readiness: (StatusCode, &'static str), metrics: &'static str, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let reads = Arc::<AtomicUsize>::default();
        let counted = reads.clone();
        let router = Router::new().route("/readyz", get(async move || readiness)).route(
            "/metrics",
            get(async move || {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(delay).await;
                metrics
            }),
        );
        let served = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, reads, served }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.served.abort();
    }
}

const READY: (StatusCode, &str) = (StatusCode::OK, "ok\n");

#[tokio::test]
async fn readiness_reasons_and_figures_of_each_process_are_listed() {
    let metrics = "octet_build_info{service=\"service-c\",version=\"1.2.3\"} 1\nprocess_resident_memory_bytes 4096\n\
                   octet_process_restarts 2\nprocess_start_time_seconds 1700000000\nprocess_cpu_seconds_total 3\n\
                   octet_store_up 1\noctet_store_insert_seconds_bucket{le=\"0.001\"} 8\n\
                   octet_store_insert_seconds_bucket{le=\"+Inf\"} 8\n\
                   octet_queue_ready 5\noctet_queue_oldest_seconds 7\noctet_queue_dead_letters 1\n";
    let ready = Admin::start(READY, metrics, Duration::ZERO).await;
    let waiting = (StatusCode::SERVICE_UNAVAILABLE, "store: disk full\nqueue: alarm\n");
    let waiting = Admin::start(waiting, "", Duration::ZERO).await;
    let addresses =
        format!("service-c={},service-d={},collector=127.0.0.1:9", ready.address, waiting.address);
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &addresses)]).await;

    let reply = request(&gateway, "/api/processes").await;
    assert_eq!(reply.status, 200);
    let list = reply.json();
    let processes = list["processes"].as_array().expect("a list");
    assert_eq!(processes.len(), 3);
    let figures = &processes[0];
    assert_eq!(figures["name"], "service-c");
    assert_eq!(figures["state"], "ready");
    assert_eq!(figures["version"], "1.2.3");
    assert_eq!((&figures["memoryBytes"], &figures["restarts"]), (&4096.into(), &2.into()));
    assert_eq!(figures["started"], 1_700_000_000_000_u64);
    assert!(figures["cpu"].as_f64().is_some_and(|cpu| cpu < 0.001), "{figures}");
    assert_eq!(
        figures["store"],
        serde_json::json!({ "up": true, "inserts": 8, "p50Seconds": 0.001, "p99Seconds": 0.001 })
    );
    assert_eq!(figures["queue"], serde_json::json!({ "ready": 5, "oldestSeconds": 7, "deadLetters": 1 }));
    assert_eq!(processes[1]["reasons"], serde_json::json!(["store: disk full", "queue: alarm"]));
    assert_eq!(processes[1]["state"], "not ready");
    assert_eq!(processes[2]["state"], "unreachable");
    assert!(processes[2]["reasons"][0].as_str().is_some_and(|reason| reason.contains("refused")), "{list}");
}

#[tokio::test]
async fn without_addresses_the_list_is_empty() {
    let gateway = Gateway::start().await;
    assert_eq!(request(&gateway, "/api/processes").await.json()["processes"], serde_json::json!([]));
}

#[tokio::test]
async fn many_callers_cost_one_round_of_reading() {
    let admin = Admin::start(READY, "", Duration::from_millis(200)).await;
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &format!("service-c={}", admin.address))]).await;
    let started = Instant::now();
    for _ in 0..20 {
        // Far more than are let in at once; who is refused has not waited.
        let calls = (0..200).map(|_| async { request(&gateway, "/api/processes").await.status });
        for status in futures_util::future::join_all(calls).await {
            assert!(status == 200 || status == 503, "{status}");
        }
    }
    let rounds = admin.reads.load(Ordering::Relaxed);
    let most = 1 + started.elapsed().as_millis() / 1_500;
    assert!((1..=usize::try_from(most).expect("few")).contains(&rounds), "{rounds} rounds, at most {most}");
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_cause_another_round() {
    let admin = Admin::start(READY, "", Duration::from_secs(1)).await;
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &format!("service-c={}", admin.address))]).await;
    let started = Instant::now();
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::from_millis(10), request(&gateway, "/api/processes")).await;
    }
    assert_eq!(request(&gateway, "/api/processes").await.status, 200);
    let most = 1 + started.elapsed().as_millis() / 1_500;
    let rounds = admin.reads.load(Ordering::Relaxed);
    assert!(rounds <= usize::try_from(most).expect("few"), "{rounds} rounds, at most {most}");
}

#[tokio::test]
async fn processes_that_do_not_respond_delay_no_other_page() {
    let hangs = Admin::start(READY, "", Duration::from_mins(1)).await;
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &format!("service-c={}", hangs.address))]).await;
    // As many as all pages together may have.
    let waiting = futures_util::future::join_all((0..64).map(|_| request(&gateway, "/api/processes")));
    tokio::pin!(waiting);
    let replies = loop {
        tokio::select! {
            replies = &mut waiting => break replies,
            other = request(&gateway, "/api/topology") => assert_eq!(other.status, 200, "{}", other.text()),
        }
    };
    let list = replies.iter().find(|reply| reply.status == 200).expect("a list").json();
    assert_eq!(list["processes"][0]["state"], "unreachable");
    assert_eq!(list["processes"][0]["reasons"], serde_json::json!(["no response within 2s"]));
}
