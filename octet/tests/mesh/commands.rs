//! `octet status`, `logs`, `stop`, `health` and `up --detach`, against a running platform.

use std::{convert::Infallible, fs, path::Path, process::Output, time::Duration};

use http_body_util::Full;
use hyper::{Request, Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use octet_testbed::{PortBlock, eventually, free_port};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::{net::TcpListener, time::timeout};

use crate::platform::{Mesh, OCTET, PATIENCE, PROCESSES, all_ended, octet};

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
async fn status_asks_the_gateway_of_a_running_mesh() {
    let mesh = Mesh::start().await;
    let url = mesh.url("");
    let of_gateway = async |code: i32, wanted: &str| {
        eventually(wanted, async || {
            let output = run(&["status", "--url", &url]).await;
            let table = stdout(&output);
            let is_it = output.status.code() == Some(code) && table.starts_with(wanted);
            if is_it { Ok(table) } else { Err(table + &stderr(&output)) }
        })
        .await
    };
    let table = of_gateway(0, "10 of 10 processes are ready").await;
    for name in PROCESSES {
        assert!(table.lines().any(|line| line.trim_start().starts_with(name)), "{name}: {table}");
    }
    mesh.signal("service-g", Signal::STOP);
    let table = of_gateway(1, "9 of 10 processes are ready").await;
    mesh.signal("service-g", Signal::CONT);
    assert!(table.contains("service-g: no response within 2s"), "{table}");
    of_gateway(0, "10 of 10 processes are ready").await;
    mesh.end().await;
}

/// A gateway whose list of processes is `body`; other paths are 404. Returns its URL.
async fn gateway_with(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handler = service_fn(move |request: Request<hyper::body::Incoming>| async move {
                let is_list = request.uri().path() == "/api/processes";
                let body = if is_list { body } else { "" };
                let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
                if !is_list {
                    *response.status_mut() = hyper::StatusCode::NOT_FOUND;
                }
                Ok::<_, Infallible>(response)
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), handler),
            );
        }
    });
    url
}

#[tokio::test]
async fn a_gateway_is_asked_for_the_processes_that_it_knows() {
    let url = gateway_with(
        r#"{"at":1767225000000,"processes":[
            {"name":"service-c","state":"not ready","reasons":["store: the store is unavailable"],"version":"0.1.0",
             "restarts":1,"cpu":0.05,"memoryBytes":12582912,"store":{"up":false,"inserts":3}},
            {"name":"service-f","state":"ready","reasons":[],"version":"0.1.0","restarts":0,"cpu":0.001,
             "memoryBytes":25165824,"queue":{"ready":7,"oldestSeconds":2,"deadLetters":1}},
            {"name":"service-g","state":"unreachable","reasons":[]}]}"#,
    )
    .await;
    let output = run(&["status", "--url", &url]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let expected = format!(
        "\
1 of 3 processes are ready · {url}

  process    state      restarts  version  pid    cpu    memory  queue
  service-c  not ready         1  0.1.0      -  5.0 %  12.0 MiB
  service-f  ready             0  0.1.0      -  0.1 %  24.0 MiB  7 waiting (oldest 2 s), 1 dead letters
  service-g  not ready         -  -          -      -         -

not ready:
  service-c: store: the store is unavailable
  service-g: unreachable
"
    );
    assert_eq!(stdout(&output), expected);

    let ready = gateway_with(r#"{"at":1,"processes":[{"name":"service-c","state":"ready"}]}"#).await;
    let json = run(&["status", "--url", &format!("{ready}/"), "--json"]).await;
    let list: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(
        (json.status.code(), &list["ready"], &list["total"]),
        (Some(0), &1.into(), &1.into()),
        "{list}"
    );

    for (url, status, reason) in [
        (format!("http://127.0.0.1:{}", free_port()), 1, "refused"),
        (format!("{url}/elsewhere"), 1, "returned HTTP 404"),
        (gateway_with("<html>").await, 1, "is not a gateway's list of processes"),
        (gateway_with(r#"{"processes":[]}"#).await, 1, "set its ADMIN_ADDRESSES"),
        ("localhost:8080".to_owned(), 64, "must be an http:// URL"),
    ] {
        let refused = run(&["status", "--url", &url]).await;
        assert_eq!(refused.status.code(), Some(status), "{url}: {}", stdout(&refused));
        assert!(stderr(&refused).contains(reason), "{url}: {}", stderr(&refused));
    }
}

#[tokio::test]
async fn on_a_terminal_logs_are_readable_and_elsewhere_unchanged() {
    for (on_terminal, color) in [(true, ""), (true, "1"), (false, "")] {
        let directory = tempfile::tempdir().expect("a directory");
        let ports = PortBlock::take();
        let up =
            format!("{OCTET} up --logs --base-port {} --data {}", ports.base(), directory.path().display());
        let mut command = tokio::process::Command::new(if on_terminal { "script" } else { "bash" });
        if on_terminal {
            // Of util-linux: runs a command on a pseudo terminal.
            command.args(["-qec", &up, "/dev/null"]);
        } else {
            command.args(["-c", &up]);
        }
        let path = std::env::var_os("PATH").expect("PATH");
        command.env_clear().env("PATH", path).env("NO_COLOR", color).env("TERM", "xterm").kill_on_drop(true);
        let running = command.stdin(std::process::Stdio::null()).output();
        let stopping = async {
            eventually("the platform is ready", async || {
                let state = run(&["status", "--json", "--data", text(directory.path())]).await;
                state.status.success()
            })
            .await;
            assert!(run(&["stop", "--data", text(directory.path())]).await.status.success());
        };
        let (output, ()) = tokio::join!(timeout(PATIENCE * 4, running), stopping);
        let printed = stdout(&output.expect("in time").expect("runs"));
        let line = |words: &str| printed.lines().find(|line| line.contains(words)).map(str::to_owned);
        let serving = line("serving").unwrap_or_else(|| panic!("{printed}"));
        let drained = printed.lines().filter(|line| line.contains("drained")).count();
        assert_eq!(drained, 10, "the last lines are printed, too: {printed}");
        if !on_terminal {
            assert!(serving.contains(r#"| {"time":""#), "{serving:?}");
        } else if color.is_empty() {
            assert!(serving.contains("\u{1b}[32m INFO\u{1b}[0m serving"), "{serving:?}");
        } else {
            assert!(serving.contains("  INFO serving") && !printed.contains('\u{1b}'), "{printed:?}");
        }
    }
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
    let mut other = tokio::process::Command::new("cat");
    let mut other = other.stdin(std::process::Stdio::piped()).kill_on_drop(true).spawn().expect("runs");
    fs::create_dir_all(directory.path().join("run")).expect("created");
    let stale = serde_json::json!({
        "up": { "pid": other.id(), "started": 1 },
        "version": "0.1.0", "state": "ready", "url": "http://localhost:1", "processes": [],
    });
    fs::write(directory.path().join("run/up.json"), stale.to_string()).expect("written");
    let stop = run(&["stop", "--data", data]).await;
    assert!(stdout(&stop).contains("no `octet up` runs in"), "{}", stdout(&stop));
    assert!(other.try_wait().expect("a child").is_none(), "the other process still runs");

    fs::write(directory.path().join("run/up.json"), "[]").expect("written");
    let status = run(&["status", "--data", data]).await;
    assert_eq!(status.status.code(), Some(1));
    assert!(stderr(&status).contains("cannot read what runs in"), "{}", stderr(&status));
}

#[tokio::test]
async fn logs_prints_the_last_lines_of_one_process_and_follows_it() {
    let mesh = Mesh::start().await;
    let data = text(mesh.data());
    // `octet up` may not have written all of it yet.
    let log = eventually("the log is printed unchanged where stdout is no terminal", async || {
        let log = fs::read_to_string(mesh.data().join("logs/service-c.log")).ok()?;
        let output = run(&["logs", "service-c", "--data", data]).await;
        (log.contains("serving") && stdout(&output) == log).then_some(log)
    })
    .await;
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
