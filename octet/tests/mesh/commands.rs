//! `octet status`, `logs`, `stop`, `health` and `up --detach`, against a running platform.

use std::{fs, path::Path, process::Output, time::Duration};

use octet_testbed::{PortBlock, eventually, free_port};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::time::timeout;

use crate::platform::{Mesh, PATIENCE, PROCESSES, all_ended, octet};

async fn run(arguments: &[&str]) -> Output {
    let output = octet().args(arguments).output();
    timeout(PATIENCE * 4, output).await.expect("no hang").expect("runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

async fn status(data: &Path) -> (Option<i32>, Value) {
    let output = run(&["status", "--json", "--data", text(data)]).await;
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn process<'a>(status: &'a Value, name: &str) -> &'a Value {
    let processes = status["processes"].as_array().expect("processes");
    processes.iter().find(|process| process["name"] == name).expect("the process")
}

#[tokio::test]
async fn status_shows_every_process_with_its_figures_and_the_restarted_one() {
    let mut mesh = Mesh::start().await;
    let (code, all) = status(mesh.data()).await;
    assert_eq!((code, &all["ready"], &all["total"]), (Some(0), &10.into(), &10.into()), "{all}");
    for name in PROCESSES {
        let process = process(&all, name);
        let pid = mesh.pid(name).expect("running").as_raw_nonzero().get();
        assert_eq!(
            (&process["ready"], &process["pid"], &process["restarts"]),
            (&true.into(), &pid.into(), &0.into())
        );
        assert_eq!(process["version"], "0.1.0");
        assert!(process["memory_bytes"].as_f64().expect("memory") > 1e6, "{process}");
        assert!(process["cpu_percent"].as_f64().expect("CPU") >= 0.0, "{process}");
    }
    // The watch of the queue looks at it every few seconds.
    eventually("the depth of the queue is shown", async || {
        let (_, all) = status(mesh.data()).await;
        process(&all, "service-f")["queue"]["dead_letters"] == 0
    })
    .await;

    mesh.kill("service-h");
    mesh.prints("service-h was killed").await;
    eventually("the restart is counted", async || {
        let (code, all) = status(mesh.data()).await;
        let service = process(&all, "service-h");
        if code == Some(0) && service["restarts"] == 1 { Ok(()) } else { Err(all) }
    })
    .await;

    mesh.signal("service-g", Signal::STOP);
    let output = run(&["status", "--data", text(mesh.data())]).await;
    mesh.signal("service-g", Signal::CONT);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let table = stdout(&output);
    assert!(table.starts_with("9 of 10 processes are ready"), "{table}");
    assert!(table.contains("service-g: no response within 2s"), "{table}");
    assert!(table.lines().any(|line| line.contains("service-h") && line.contains("ready")), "{table}");
    mesh.end().await;
}

#[tokio::test]
async fn without_a_run_status_fails_and_stop_has_nothing_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = text(directory.path());
    let status = run(&["status", "--data", data]).await;
    assert_eq!(status.status.code(), Some(1));
    assert!(stderr(&status).contains("no `octet up` runs in"), "{}", stderr(&status));
    let stop = run(&["stop", "--data", data]).await;
    assert_eq!(stop.status.code(), Some(0), "{}", stderr(&stop));
    assert!(stdout(&stop).contains("no `octet up` runs in"), "{}", stdout(&stop));

    // The file of a process that was killed, whose id another process has now.
    fs::create_dir_all(directory.path().join("run")).expect("created");
    let stale = serde_json::json!({
        "up": { "pid": std::process::id(), "started": 1 },
        "version": "0.1.0", "state": "ready", "url": "http://localhost:1", "processes": [],
    });
    fs::write(directory.path().join("run/up.json"), stale.to_string()).expect("written");
    let stop = run(&["stop", "--data", data]).await;
    assert!(stdout(&stop).contains("no `octet up` runs in"), "{}", stdout(&stop));

    fs::write(directory.path().join("run/up.json"), "[]").expect("written");
    let status = run(&["status", "--data", data]).await;
    assert_eq!(status.status.code(), Some(1));
    assert!(stderr(&status).contains("cannot read what runs in"), "{}", stderr(&status));
}

#[tokio::test]
async fn logs_prints_the_last_lines_of_one_process_and_follows_it() {
    let mesh = Mesh::start().await;
    let data = text(mesh.data());
    let log = fs::read_to_string(mesh.data().join("logs/service-c.log")).expect("a log");
    let output = run(&["logs", "service-c", "--data", data]).await;
    assert_eq!(stdout(&output), log, "unchanged where stdout is no terminal");
    let output = run(&["logs", "service-c", "-n", "1", "--data", data]).await;
    assert_eq!(stdout(&output).trim_end(), log.lines().last().expect("a line"));

    let forced =
        octet().args(["logs", "service-c", "--data", data]).env("CLICOLOR_FORCE", "1").output().await;
    let forced = stdout(&forced.expect("runs"));
    assert!(forced.contains("\u{1b}[32m INFO\u{1b}[0m serving"), "{forced:?}");
    let plain = octet()
        .args(["logs", "service-c", "--data", data])
        .envs([("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])
        .output()
        .await;
    let plain = stdout(&plain.expect("runs"));
    assert!(plain.contains("  INFO serving") && !plain.contains('\u{1b}'), "{plain:?}");

    let unknown = run(&["logs", "servce-c", "--data", data]).await;
    assert_eq!(unknown.status.code(), Some(64));
    assert!(stderr(&unknown).contains("did you mean \"service-c\"?"), "{}", stderr(&unknown));
    let outside = run(&["logs", "../run/up", "--data", data]).await;
    assert_eq!(outside.status.code(), Some(64), "{}", stdout(&outside));

    let mut follower = octet();
    follower.args(["logs", "service-c", "--follow", "-n", "0", "--data", data]);
    let mut follower = follower.stdout(std::process::Stdio::piped()).spawn().expect("runs");
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(follower.stdout.take().expect("piped")));
    // It may not have opened the log yet.
    let followed = async {
        loop {
            let written = octet_log(&mesh).await;
            let next = timeout(Duration::from_secs(1), lines.next_line()).await;
            if let Ok(line) = next {
                break (written, line.expect("readable").expect("a line"));
            }
        }
    };
    let (path, line) = timeout(PATIENCE, followed).await.expect("in time");
    assert_eq!(line, "a line of the test", "{path}");
    let pid = Pid::from_raw(follower.id().expect("running").try_into().expect("an id")).expect("an id");
    rustix::process::kill_process(pid, Signal::INT).expect("signalled");
    let ended = timeout(PATIENCE, follower.wait()).await.expect("it ends").expect("a status");
    assert!(ended.success(), "{ended}");
    mesh.end().await;
}

/// Appends a line to the log of C.
async fn octet_log(mesh: &Mesh) -> String {
    use tokio::io::AsyncWriteExt as _;
    let path = mesh.data().join("logs/service-c.log");
    let mut log = tokio::fs::OpenOptions::new().append(true).open(&path).await.expect("a log");
    log.write_all(b"a line of the test\n").await.expect("written");
    log.flush().await.expect("written");
    path.display().to_string()
}

#[tokio::test]
async fn a_detached_platform_runs_until_it_is_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = text(directory.path());
    let ports = PortBlock::take();
    let base = ports.base().to_string();
    let up = run(&["up", "--detach", "--base-port", &base, "--data", data]).await;
    assert!(up.status.success(), "{}{}", stdout(&up), stderr(&up));
    let printed = stdout(&up);
    assert!(printed.contains("octet is up after"), "{printed}");
    assert!(printed.contains(&format!("stop     octet stop --data {data}")), "{printed}");

    let (code, all) = status(directory.path()).await;
    assert_eq!((code, &all["state"]), (Some(0), &"ready".into()), "{all}");
    let pids: Vec<_> = all["processes"]
        .as_array()
        .expect("processes")
        .iter()
        .map(|process| &process["pid"])
        .chain([&all["pid"]])
        .map(|pid| Pid::from_raw(pid.as_i64().expect("an id").try_into().expect("an id")).expect("an id"))
        .collect();
    assert_eq!(pids.len(), 11);
    let targets: Value = serde_json::from_slice(
        &fs::read(directory.path().join("run/prometheus-targets.json")).expect("the targets"),
    )
    .expect("JSON");
    let gateway = format!("127.0.0.1:{}", ports.base() + 1);
    let target = serde_json::json!({ "targets": [gateway], "labels": { "service": "gateway" } });
    assert!(targets.as_array().expect("targets").contains(&target), "{targets}");
    assert_eq!(targets.as_array().map(Vec::len), Some(10));

    let again = run(&["up", "--detach", "--base-port", &base, "--data", data]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("is in use by another `octet up`"), "{}", stderr(&again));

    let stop = run(&["stop", "--data", data]).await;
    assert_eq!((stop.status.code(), stdout(&stop).as_str()), (Some(0), "octet: stopped 10 processes\n"));
    all_ended(&pids).await;
    for file in ["up.json", "prometheus-targets.json"] {
        assert!(!directory.path().join("run").join(file).exists(), "{file} is removed");
    }
}

#[tokio::test]
async fn a_detached_platform_that_does_not_become_ready_in_time_is_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = text(directory.path());
    let ports = PortBlock::take();
    let broker = format!("amqp://nobody:hunter2@127.0.0.1:{}", free_port());
    let up = octet()
        .args(["up", "--detach", "--wait", "3s", "--base-port", &ports.base().to_string(), "--data", data])
        .env("RABBITMQ_CONN", broker)
        .output();
    let up = timeout(PATIENCE * 4, up).await.expect("no hang").expect("runs");
    assert_eq!(up.status.code(), Some(1), "{}", stdout(&up));
    let printed = stdout(&up) + &stderr(&up);
    assert!(printed.contains("of 10 processes are ready; waiting for:"), "{printed}");
    assert!(printed.contains("service-f: "), "{printed}");
    assert!(printed.contains("not all processes were ready within 3s, so they were stopped"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
    let status = run(&["status", "--data", data]).await;
    assert!(stderr(&status).contains("no `octet up` runs in"), "{}", stderr(&status));

    let invalid = octet().args(["up", "--detach", "--data", data]).env("LOG_LEVEL", "loud").output().await;
    let invalid = invalid.expect("runs");
    assert_eq!(invalid.status.code(), Some(64));
    assert!(stderr(&invalid).contains("LOG_LEVEL: must be"), "{}", stderr(&invalid));
}

#[tokio::test]
async fn health_asks_over_http_and_grpc() {
    let mesh = Mesh::start().await;
    let grpc = format!("grpc://{}", mesh.address("service-e"));
    for (url, printed) in [
        (mesh.admin("service-e", "/readyz"), "HTTP 200 OK"),
        (grpc.clone(), "SERVING"),
        (format!("{grpc}/greeting.v3.GreetingService"), "SERVING"),
    ] {
        let healthy = run(&["health", &url]).await;
        assert_eq!(healthy.status.code(), Some(0), "{url}: {}", stderr(&healthy));
        assert_eq!(stdout(&healthy), format!("{url}: {printed}\n"));
    }
    for (url, reason) in [
        (mesh.admin("service-e", "/nowhere"), "HTTP 404"),
        (format!("{grpc}/unknown"), "NotFound"),
        (format!("http://127.0.0.1:{}/readyz", free_port()), "onnection refused"),
        (format!("grpc://127.0.0.1:{}", free_port()), "onnection refused"),
    ] {
        let unhealthy = run(&["health", &url]).await;
        assert_eq!(unhealthy.status.code(), Some(1), "{url}: {}", stdout(&unhealthy));
        assert!(stderr(&unhealthy).contains(reason), "{url}: {}", stderr(&unhealthy));
    }
    mesh.signal("service-e", Signal::STOP);
    let silent = run(&["health", &mesh.admin("service-e", "/readyz"), "--timeout", "300ms"]).await;
    mesh.signal("service-e", Signal::CONT);
    assert_eq!(silent.status.code(), Some(1));
    assert!(stderr(&silent).contains("no response within 300ms"), "{}", stderr(&silent));
    let invalid = run(&["health", "localhost:9001"]).await;
    assert_eq!(invalid.status.code(), Some(64));
    assert!(stderr(&invalid).contains("\"localhost:9001\" is not a URL to ask"), "{}", stderr(&invalid));
    mesh.end().await;
}
