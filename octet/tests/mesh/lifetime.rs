//! How a platform starts and ends.

use std::{process::Stdio, time::Duration};

use octet_testbed::{PortBlock, free_port};
use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpSocket},
    time::{Instant, timeout},
};

use crate::{
    client::Client,
    platform::{Mesh, PATIENCE, PROCESSES, all_ended, octet},
};

#[tokio::test]
async fn every_way_to_end_the_runner_ends_every_process() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut mesh = Mesh::start().await;
        let pids = mesh.pids();
        mesh.signal_up(signal);
        let status = mesh.ended().await;
        assert_eq!(status.success(), signal != Signal::KILL, "{signal:?}: {status:?}");
        all_ended(&pids).await;
    }
}

#[tokio::test]
async fn a_stopped_process_ends_with_the_others() {
    let mesh = Mesh::start().await;
    mesh.signal("service-g", Signal::STOP);
    let started = std::time::Instant::now();
    mesh.end().await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_process_that_keeps_dying_is_restarted_with_backoff_and_reported() {
    let mut mesh = Mesh::start().await;
    let client = Client::new();
    mesh.kill("service-h");
    mesh.prints("service-h was killed by signal 9; restarting at once").await;
    client.becomes(&mesh.admin("service-h", "/readyz"), hyper::StatusCode::OK).await;
    mesh.kill("service-h");
    mesh.prints("service-h was killed by signal 9; restarting in 250ms").await;
    client.becomes(&mesh.admin("service-h", "/readyz"), hyper::StatusCode::OK).await;
    client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    mesh.end().await;
}

#[tokio::test]
async fn a_second_platform_with_the_same_data_or_ports_is_refused() {
    let mesh = Mesh::start().await;
    let base = mesh.url("").rsplit(':').next().expect("a port").to_owned();

    let same_data = octet().args(["up", "--data"]).arg(mesh.data()).output().await.expect("runs");
    assert_eq!(same_data.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&same_data.stderr).into_owned();
    assert!(stderr.contains("is in use by another `octet up` (process "), "{stderr}");

    let other = tempfile::tempdir().expect("a directory");
    let same_ports = octet()
        .args(["up", "--base-port", &base, "--data"])
        .arg(other.path())
        .stdout(Stdio::piped())
        .output()
        .await
        .expect("runs");
    assert_eq!(same_ports.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&same_ports.stderr).into_owned();
    assert!(stderr.contains(&format!("127.0.0.1:{base}, needed by gateway: ")), "{stderr}");
    assert!(stderr.contains("needed by service-h's admin server: "), "{stderr}");
    mesh.end().await;
}

#[tokio::test]
async fn a_port_that_a_connection_uses_as_its_source_is_waited_for() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    // A connection of an earlier platform may still hold the port of a block.
    let (ports, source, socket) = loop {
        let ports = PortBlock::take();
        let source = std::net::SocketAddr::from(([127, 0, 0, 1], ports.base() + 12));
        let socket = TcpSocket::new_v4().expect("a socket");
        if socket.bind(source).is_ok() {
            break (ports, source, socket);
        }
    };
    let (client, accepted) =
        tokio::join!(socket.connect(server.local_addr().expect("bound")), server.accept());
    let (client, (accepted, _)) = (client.expect("connected"), accepted.expect("accepted"));

    let data = tempfile::tempdir().expect("a directory");
    let mut up = octet()
        .args(["up", "--base-port", &ports.base().to_string(), "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("octet starts");
    let mut lines = BufReader::new(up.stdout.take().expect("piped")).lines();
    let mut line = async || timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("readable");
    let waiting = line().await.expect("a line");
    assert!(waiting.starts_with("octet: waiting up to 65s for ports that connections use:"), "{waiting}");
    let reason = line().await.expect("a line");
    let expected = format!("  {source}, needed by service-c: is the source port of a connection to ");
    assert!(reason.starts_with(&expected), "{reason}");
    // Closed first by the server, the connection leaves nothing at the client.
    drop(accepted);
    drop(client);
    let up_line = loop {
        let line = line().await.expect("octet up stays");
        if line.contains("octet is up") {
            break line;
        }
    };
    assert!(up_line.starts_with("octet is up after"), "{up_line}");
    let stopped = octet().args(["stop", "--data"]).arg(data.path()).output().await.expect("runs");
    assert!(stopped.status.success());
    assert!(timeout(PATIENCE, up.wait()).await.expect("in time").expect("a status").success());
}

#[tokio::test]
async fn while_a_server_is_unavailable_the_first_report_comes_within_a_second_or_so() {
    let data = tempfile::tempdir().expect("a directory");
    let ports = PortBlock::take();
    let started = Instant::now();
    let mut up = octet()
        .args(["up", "--base-port", &ports.base().to_string(), "--data"])
        .arg(data.path())
        .env("RABBITMQ_CONN", format!("amqp://127.0.0.1:{}", free_port()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("octet starts");
    let mut lines = BufReader::new(up.stdout.take().expect("piped")).lines();
    let mut printed = Vec::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("readable") {
        let is_table = line.starts_with("octet is up after");
        printed.push((started.elapsed(), line));
        if is_table {
            break;
        }
    }
    let (first, text) = printed.first().expect("a line");
    let (table, _) = printed.last().expect("the table");
    assert!(text.contains("of 10 processes are ready; waiting for:"), "{printed:?}");
    // The table comes five seconds after all processes serve.
    assert!(*first + Duration::from_secs(3) < *table, "{printed:?}");
    assert!(printed.iter().any(|(_, line)| line.starts_with("  service-f: ")), "{printed:?}");
    let stopped = octet().args(["stop", "--data"]).arg(data.path()).output().await.expect("runs");
    assert!(stopped.status.success());
    assert!(timeout(PATIENCE, up.wait()).await.expect("in time").expect("a status").success());
}

#[tokio::test]
async fn the_collector_ends_last_so_that_no_last_span_is_lost() {
    let mut mesh = Mesh::start().await;
    let client = Client::new();
    for _ in 0..20 {
        client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    }
    // The spans of these requests are still waiting for their batch.
    mesh.signal_up(Signal::INT);
    assert!(mesh.ended().await.success());
    let logs = PROCESSES.map(|name| {
        let path = mesh.data().join(format!("logs/{name}.log"));
        (name, std::fs::read_to_string(path).expect("a log"))
    });
    let time_of = |log: &str, message: &str| {
        let line = log.lines().find(|line| line.contains(&format!(r#""message":"{message}""#)));
        let line: serde_json::Value = serde_json::from_str(line.expect(message)).expect("JSON");
        line["time"].as_str().expect("a time").to_owned()
    };
    let collector = logs.iter().find(|(name, _)| *name == "collector").expect("its log");
    let collector = time_of(&collector.1, "draining");
    for (name, log) in &logs {
        assert!(!log.contains("export of spans failed"), "{name}: {log}");
        let drained = time_of(log, "drained");
        assert!(
            *name == "collector" || drained <= collector,
            "{name} drained at {drained}, after {collector}"
        );
    }
}

#[tokio::test]
async fn traces_that_the_page_will_not_show_are_noted() {
    let mut mesh = Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").start().await;
    mesh.prints("octet: note: the page will show no traces").await;
    mesh.end().await;
}
