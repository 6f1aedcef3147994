//! Services with several processes: how calls are balanced over them, and what happens when one is sick.

use hyper::StatusCode;
use octet_testbed::eventually;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    client::Client,
    load::Load,
    platform::{Mesh, octet},
};

/// The built-in topology with two processes of some services, and further tables.
fn replicated(services: &[&str], tables: &str) -> String {
    let mut text = octet_topology::Topology::BUILT_IN.to_owned();
    for service in services {
        let name = format!("name = \"{service}\"\n");
        assert!(text.contains(&name));
        text = text.replace(&name, &format!("{name}replicas = 2\n"));
    }
    text + tables
}

/// The calls that a process has served.
async fn served(mesh: &Mesh, process: &str) -> u64 {
    let metrics = Client::new().get(&mesh.admin(process, "/metrics")).await;
    let calls = metrics.text().lines().filter(|line| {
        line.starts_with("grpc_server_handled_total{") && line.contains("\"greeting.v3.GreetingService\"")
    });
    calls.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

async fn all_served<const N: usize>(mesh: &Mesh, processes: [&str; N]) -> [u64; N] {
    let mut counts = [0; N];
    for (count, process) in counts.iter_mut().zip(processes) {
        *count = served(mesh, process).await;
    }
    counts
}

async fn send(mesh: &Mesh, requests: usize) -> usize {
    let client = Client::new();
    let mut succeeded = 0;
    for _ in 0..requests {
        succeeded += usize::from(client.get(&mesh.url("/api/greeting")).await.status == StatusCode::OK);
    }
    succeeded
}

const SMALL: &str = r#"
    entry = "edge"
    seed = 7
    [[service]]
    name = "edge"
    calls = ["stock", "first"]
    replicas = 2
    [[service]]
    name = "stock"
    replicas = 3
    [[service]]
    name = "first"
    replicas = 2
    [[edge]]
    at = "edge>first"
    balance = "pick_first"
"#;

#[tokio::test]
async fn calls_are_spread_evenly_and_a_fault_at_one_replica_acts_there_alone() {
    let mesh = Mesh::builder().topology(SMALL).start().await;
    assert_eq!(send(&mesh, 120).await, 120);
    assert_eq!(all_served(&mesh, ["edge#1", "edge#2"]).await, [60, 60]);
    // Each of the two callers takes turns by itself.
    let stock = all_served(&mesh, ["stock#1", "stock#2", "stock#3"]).await;
    assert!(stock.iter().all(|count| (38..=42).contains(count)), "{stock:?}");
    assert_eq!(all_served(&mesh, ["first#1", "first#2"]).await, [120, 0]);

    let fault = ["fault", "put", "--data", &mesh.data().display().to_string(), "at=stock#2 abort=ABORTED"];
    let put = octet().args(fault).output().await.expect("octet runs");
    assert!(put.status.success(), "{put:?}");
    let succeeded = send(&mesh, 120).await;
    assert!((78..=82).contains(&succeeded), "{succeeded} of 120");
    let series = "octet_faults_total{at=\"stock#2\",effect=\"abort\",source=\"admin\"}";
    for (process, acts) in [("stock#1", false), ("stock#2", true), ("stock#3", false)] {
        let metrics = Client::new().get(&mesh.admin(process, "/metrics")).await;
        assert_eq!(metrics.text().contains(series), acts, "{process}");
    }
    mesh.end().await;
}

#[tokio::test]
async fn every_replica_is_listed() {
    let mesh = Mesh::builder().topology(SMALL).start().await;
    let data = mesh.data().display().to_string();
    let status = octet().args(["status", "--json", "--data", &data]).output().await.expect("octet runs");
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let url = ["status", "--json", "--url", &mesh.url("")];
    let listed = octet().args(url).output().await.expect("octet runs");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    for report in [&status, &listed] {
        let names = report["processes"].as_array().expect("processes").iter();
        let mut names: Vec<_> = names.map(|process| process["name"].as_str().expect("a name")).collect();
        names.sort_unstable();
        let all = [
            "collector",
            "edge#1",
            "edge#2",
            "first#1",
            "first#2",
            "gateway",
            "stock#1",
            "stock#2",
            "stock#3",
        ];
        assert_eq!(names, all);
    }
    let reply = Client::new().get(&mesh.url("/api/processes")).await;
    let list: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let replicas = list["processes"].as_array().expect("processes").iter();
    let replicas: Vec<_> =
        replicas.filter(|process| process["name"] == "stock").map(|process| &process["replica"]).collect();
    assert_eq!(replicas, [1, 2, 3]);
    mesh.end().await;
}

#[tokio::test]
async fn least_request_prefers_the_fast_replica() {
    let text = r#"
        entry = "edge"
        [[service]]
        name = "edge"
        calls = ["stock"]
        [[service]]
        name = "stock"
        replicas = 2
        [[edge]]
        at = "edge>stock"
        balance = "least_request"
        [[fault]]
        at = "stock#1"
        delay = "300ms"
    "#;
    let mesh = Mesh::builder().topology(text).start().await;
    let workers = (0..8).map(|_| send(&mesh, 40));
    let succeeded: usize = futures_util::future::join_all(workers).await.into_iter().sum();
    assert_eq!(succeeded, 320);
    let [slow, fast] = all_served(&mesh, ["stock#1", "stock#2"]).await;
    assert!(slow > 0 && fast > 3 * slow, "{slow} slow, {fast} fast");
    mesh.end().await;
}

#[tokio::test]
async fn replicas_that_drain_under_load_fail_no_request() {
    let services = ["service-a", "service-b", "service-d", "service-g"];
    let mut mesh = Mesh::builder().topology(replicated(&services, "")).start().await;
    let load = Load::until_stopped(&mesh, 8);
    load.reaches(100).await;
    for process in ["service-g#1", "service-b#2", "service-a#1", "service-d#2", "service-g#2"] {
        mesh.signal(process, Signal::TERM);
        mesh.prints(&format!("{process} exited with status 0; restarting")).await;
        // The one that ended serves again before the next one ends.
        Client::new().becomes(&mesh.admin(process, "/readyz"), StatusCode::OK).await;
        load.continues_for(100).await;
    }
    let report = load.stop().await;
    report.assert_all_valid();
    assert_eq!(report.failures(), [].into(), "of {} requests", report.requests());
    mesh.end().await;
}

#[tokio::test]
async fn replicas_that_are_killed_fail_only_calls_in_flight_and_none_that_are_retried() {
    const WORKERS: usize = 8;
    let tables = "\n[[edge]]\nat = \"*>service-g\"\nretry = { attempts = 3, on = [\"UNAVAILABLE\"] }\n";
    let mut mesh = Mesh::builder().topology(replicated(&["service-b", "service-g"], tables)).start().await;
    for (process, most) in [("service-g#1", 0), ("service-g#2", 0), ("service-b#1", WORKERS)] {
        let load = Load::until_stopped(&mesh, WORKERS);
        load.reaches(100).await;
        mesh.kill(process);
        mesh.prints(&format!("{process} was killed by signal 9; restarting")).await;
        load.continues_for(200).await;
        let report = load.stop().await;
        report.assert_all_valid();
        let failures = report.failures();
        assert!(failures.values().sum::<usize>() <= most, "{process}: {failures:?}");
        let are_lost = failures.keys().all(|failure| failure.contains("connection lost"));
        assert!(are_lost, "{process}: {failures:?}");
        Client::new().becomes(&mesh.admin(process, "/readyz"), StatusCode::OK).await;
    }
    mesh.end().await;
}

#[tokio::test]
async fn a_frozen_replica_is_left_out_and_comes_back() {
    let tables = "\n[[edge]]\nat = \"*>service-g\"\ndeadline = \"1s\"\n";
    let mesh = Mesh::builder().topology(replicated(&["service-g"], tables)).start().await;
    let addresses =
        |state: &str| format!("octet_upstream_addresses{{state=\"{state}\",upstream=\"service-g\"}}");
    mesh.metric_reaches("service-e", &addresses("used"), 2).await;
    let load = Load::until_stopped(&mesh, 6);
    load.reaches(50).await;
    mesh.signal("service-g#2", Signal::STOP);
    mesh.metric_reaches("service-e", &addresses("left_out"), 1).await;
    load.continues_for(300).await;
    let report = load.stop().await;
    report.assert_all_valid();
    // The calls that were there, those that were sent until five had failed in a row, and the ones that tried it again.
    let failures = report.failures();
    assert!((5..=20).contains(&failures.values().sum::<usize>()), "{failures:?}");
    assert!(failures.keys().all(|failure| failure.contains("service-g: deadline passed")), "{failures:?}");

    mesh.signal("service-g#2", Signal::CONT);
    let before = served(&mesh, "service-g#2").await;
    eventually("it is used again", async || {
        send(&mesh, 2).await;
        let served = served(&mesh, "service-g#2").await - before;
        if served >= 5 { Ok(()) } else { Err(format!("{served} calls")) }
    })
    .await;
    mesh.metric_reaches("service-e", &addresses("used"), 2).await;
    mesh.end().await;
}
