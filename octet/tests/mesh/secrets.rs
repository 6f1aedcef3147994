//! No output contains the passwords of the connection strings.

use std::{fs, time::Duration};

use octet_testbed::{PASSWORD, PortBlock};
use rustix::process::{Pid, Signal};

use crate::{
    client::Client,
    load::Load,
    platform::{Mesh, PROCESSES, octet},
    servers::{Servers, Storage},
};

#[tokio::test]
async fn no_output_contains_a_password() {
    let mut servers = Servers::start().await;
    // This database has no users, so every login fails and is reported.
    let database = format!("mongodb://octet:{PASSWORD}@{}/", servers.database.socket());
    let storage = Storage::Servers { broker: servers.broker.url(), database };
    let mut mesh = Mesh::builder()
        .on(storage.clone())
        .with("LOG_LEVEL", "trace,h2=info,hyper=info,hyper_util=info,tower=info")
        .start()
        .await;
    let pids = mesh.pids();
    Load::start(&mesh, 5, 20).finish().await;
    servers.broker.kill();
    Load::start(&mesh, 5, 20).finish().await;
    servers.broker.restart().await;
    Client::new().becomes(&mesh.admin("service-d", "/readyz"), hyper::StatusCode::OK).await;

    let mut shown = Shown::default();
    for path in [
        "/api/greeting",
        "/api/health",
        "/api/topology",
        "/api/mesh?lookback=5m",
        "/zipkin/api/v2/traces?limit=1000",
        "/",
    ] {
        shown.add(path, Client::new().get(&mesh.url(path)).await.text());
    }
    for process in PROCESSES {
        for path in ["/readyz", "/metrics"] {
            shown.add(
                &format!("{process} {path}"),
                Client::new().get(&mesh.admin(process, path)).await.text(),
            );
        }
    }
    for pid in pids.iter().copied().chain([mesh.pid("up").expect("running")]) {
        shown.add("ps", &command_line(pid));
    }
    for arguments in [&["audit"][..], &["audit", "--format", "json"], &["--help"], &["up", "--help"]] {
        let output = octet().args(arguments).envs(storage.environment()).output().await.expect("runs");
        shown.add("stdout", &String::from_utf8_lossy(&output.stdout));
        shown.add("stderr", &String::from_utf8_lossy(&output.stderr));
    }
    mesh.signal_up(Signal::INT);
    assert!(mesh.ended().await.success());
    shown.add("octet up", &mesh.remaining_output().await);
    for process in PROCESSES {
        let log = fs::read_to_string(mesh.data().join(format!("logs/{process}.log"))).expect("a log");
        let uses_amqp = ["service-d", "service-f"].contains(&process);
        assert!(!uses_amqp || log.contains(r#""level":"trace""#), "{process} logs at level trace");
        shown.add(&format!("the log of {process}"), &log);
    }
    shown.assert_much();
}

#[tokio::test]
async fn an_invalid_connection_string_is_refused_without_its_password() {
    for (variable, value) in [
        ("RABBITMQ_CONN", format!("amqp://octet:{PASSWORD}@mq:port")),
        ("RABBITMQ_CONN", format!("amqp://octet:{PASSWORD}")),
        ("RABBITMQ_CONN", format!("amqp//octet:{PASSWORD}@mq")),
        ("MONGO_CONN", format!("mongodb://octet:{PASSWORD}@db:port")),
        ("MONGO_CONN", format!("mongodb://octet:{PASSWORD}")),
        ("MONGO_CONN", format!("mongodb://octet:{PASSWORD}@db/?nonsense=1&w=0")),
    ] {
        for arguments in [&["service", "service-d"][..], &["service", "service-f"], &["up"], &["audit"]] {
            assert_refuses(arguments, variable, &value).await;
        }
    }
}

#[tokio::test]
async fn a_connection_string_with_an_unreadable_file_is_refused_by_its_users() {
    let queue = format!("amqps://octet:{PASSWORD}@mq?cacertfile=/nowhere.pem");
    for arguments in [&["service", "service-d"][..], &["service", "service-f"], &["up"], &["audit"]] {
        assert_refuses(arguments, "RABBITMQ_CONN", &queue).await;
    }
    let store = format!("mongodb://octet:{PASSWORD}@db/?tls=true&tlsCAFile=/nowhere.pem");
    for arguments in [&["service", "service-c"][..], &["service", "service-f"], &["up"], &["audit"]] {
        assert_refuses(arguments, "MONGO_CONN", &store).await;
    }
}

/// Exit 64 with the variable's name, and without the password.
async fn assert_refuses(arguments: &[&str], variable: &str, value: &str) {
    // A process that accepts it creates its files here.
    let nowhere = tempfile::tempdir().expect("a directory");
    let mut command = octet();
    command.current_dir(nowhere.path()).args(arguments).env(variable, value);
    let ports = PortBlock::take();
    if arguments == ["up"] {
        // The ports are checked before the file is read.
        command.args(["--base-port", &ports.base().to_string()]);
    }
    command.env("PORT", "127.0.0.1:0").env("ADMIN_PORT", "127.0.0.1:0");
    let run = tokio::time::timeout(Duration::from_secs(20), command.kill_on_drop(true).output());
    let output = run.await.unwrap_or_else(|_| panic!("{arguments:?} accepts {variable}")).expect("runs");
    let printed = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(!printed.concat().contains(PASSWORD), "{arguments:?}: {printed:?}");
    assert_eq!(output.status.code(), Some(64), "{arguments:?} {variable}: {printed:?}");
    assert!(printed[1].contains(variable), "{printed:?}");
}

/// Checks output for the password.
#[derive(Default)]
struct Shown {
    bytes: usize,
}

impl Shown {
    #[track_caller]
    fn add(&mut self, source: &str, text: &str) {
        self.bytes += text.len();
        if let Some(line) = text.lines().find(|line| line.contains(PASSWORD)) {
            panic!("{source} contains the password: {line}");
        }
    }

    fn assert_much(&self) {
        assert!(self.bytes > 100_000, "only {} bytes were checked", self.bytes);
    }
}

fn command_line(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).expect("running").replace('\0', " ")
}
