//! Log levels changed at run time, and logged headers without their secrets.

use std::{fs, net::SocketAddr};

use http_body_util::Full;
use hyper::{Method, Request, body::Bytes};
use octet_testbed::eventually;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use crate::{
    client::{Client, Reply},
    platform::{Mesh, PROCESSES, octet},
    process::Process,
};

/// No log may contain this.
const SECRET: &str = "hunter2-of-the-logs";

async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    Client::new().send(request).await.expect("a response")
}

fn value(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// A request with this id, and a secret wherever a client may have one.
async fn greet(mesh: &Mesh, id: &str) {
    let bearer = format!("Bearer {SECRET}");
    let cookie = format!("session={SECRET}");
    let referer = format!("http://somewhere/page?access_token={SECRET}");
    let headers = [
        ("x-request-id", id),
        ("authorization", &bearer),
        ("cookie", &cookie),
        ("x-api-key", SECRET),
        ("x-user-token", SECRET),
        ("referer", &referer),
        ("grpc-metadata-x-upstream-secret", SECRET),
        ("grpc-metadata-x-raw-bin", "aHVudGVyMg=="),
    ];
    let url = mesh.url(&format!("/api/greeting?password={SECRET}"));
    assert_eq!(send(Method::GET, &url, &headers, "").await.status, 200);
}

fn log(mesh: &Mesh, process: &str) -> String {
    fs::read_to_string(mesh.data().join(format!("logs/{process}.log"))).expect("a log")
}

/// The log lines of a process about a request.
fn lines(mesh: &Mesh, process: &str, id: &str) -> Vec<Value> {
    let lines = log(mesh, process);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["request_id"] == id).collect()
}

fn is_debug(line: &Value) -> bool {
    line["level"] == "debug"
}

#[tokio::test]
async fn a_temporary_level_logs_headers_without_secrets_and_expires() {
    let mesh = Mesh::builder().with("PROPAGATE_HEADERS", "x-user-token").start().await;
    greet(&mesh, "before").await;
    // F is the last process to handle it.
    mesh.logs("service-f", r#""request_id":"before""#).await;
    for process in PROCESSES {
        // Longer than a request takes on a busy machine.
        let url = mesh.admin(process, "/log-level?for=8s");
        let raised = value(&send(Method::PUT, &url, &[], "debug\n").await);
        assert_eq!((&raised["filter"], &raised["configured"]), (&json!("debug"), &json!("info")));
    }
    greet(&mesh, "during").await;

    let ends = [
        ("gateway", ["request received", "request sent", "response received", "response sent"].as_slice()),
        ("service-a", &["request received", "request sent", "response received", "response sent"]),
        ("service-d", &["request received", "message sent", "response sent"]),
        ("service-f", &["message received"]),
        ("service-g", &["request received", "response sent"]),
    ];
    for (process, messages) in ends {
        for message in messages {
            let shows = |line: &Value| {
                let is_it =
                    is_debug(line) && line["message"] == **message && line["target"] == "octet_headers";
                is_it && serde_json::from_str::<Value>(line["headers"].as_str().expect("text")).is_ok()
            };
            eventually(&format!("{process} logs {message:?}"), async || {
                lines(&mesh, process, "during").iter().any(shows)
            })
            .await;
        }
    }
    let received = |process: &str| {
        let lines = lines(&mesh, process, "during");
        let line = lines.into_iter().find(|line| line["message"] == "request received").expect("logged");
        serde_json::from_str::<Value>(line["headers"].as_str().expect("text")).expect("JSON")
    };
    for name in ["authorization", "cookie", "x-api-key", "x-user-token", "grpc-metadata-x-upstream-secret"] {
        assert_eq!(received("gateway")[name], "***", "{name}");
    }
    assert_eq!(received("gateway")["referer"], "http://somewhere/page");
    // Propagated headers are logged and masked where they arrive too.
    assert_eq!(received("service-a")["authorization"], "***");
    assert_eq!(received("service-a")["x-raw-bin"], "(10 bytes)");
    assert_eq!(received("service-g")["x-user-token"], "***");
    assert_eq!(received("service-g")["x-request-id"], "during");

    for process in PROCESSES {
        let url = mesh.admin(process, "/log-level");
        eventually(&format!("{process} restores its level"), async || {
            value(&send(Method::GET, &url, &[], "").await)["until"] == Value::Null
        })
        .await;
        mesh.logs(process, "temporary log level expired").await;
    }
    greet(&mesh, "after").await;
    for process in ["gateway", "service-a", "service-d", "service-f", "service-g"] {
        mesh.logs(process, r#""request_id":"after""#).await;
    }
    let data = mesh.data().to_owned();
    let counted = ["before", "after"]
        .map(|id| PROCESSES.iter().flat_map(|process| lines(&mesh, process, id)).filter(is_debug).count());
    assert_eq!(counted, [0, 0], "no debug lines before and after");
    for process in PROCESSES {
        assert!(!log(&mesh, process).contains(SECRET), "{process} logs a secret, in {data:?}");
        assert!(!log(&mesh, process).contains("aHVudGVyMg"), "{process} logs the value of a -bin header");
    }
    mesh.end().await;
}

#[tokio::test]
async fn a_filter_of_targets_is_set_and_removed() {
    let gateway = Process::start(&["gateway"], &[]).await;
    let url = format!("http://{}/log-level", gateway.admin);
    let changed = value(&send(Method::PUT, &url, &[], "info,octet_headers=debug").await);
    assert_eq!(changed["filter"], "info,octet_headers=debug");
    let time = |name: &str| changed[name].as_str().expect("a time").to_owned();
    assert!(time("since") < time("until"), "{changed}");
    let restored = value(&send(Method::DELETE, &url, &[], "").await);
    assert_eq!((&restored["filter"], &restored["until"]), (&json!("info"), &Value::Null));

    for (query, body, status, text) in [
        ("", "loud", 400, "trace, debug, info"),
        ("", "octet=loud", 400, "or a filter such as"),
        ("", "", 400, "trace, debug, info"),
        ("?for=25h", "debug", 400, "from 1s to 1day (default 10m)"),
        ("?form=1s", "debug", 400, "for=DURATION"),
        ("", &"x=debug,".repeat(1_000), 413, "4096 bytes"),
    ] {
        let refused = send(Method::PUT, &format!("{url}{query}"), &[], body.to_owned()).await;
        assert_eq!(refused.status, status, "{query} {body}: {}", refused.text());
        assert!(refused.text().contains(text), "{}", refused.text());
    }
    assert_eq!(value(&send(Method::GET, &url, &[], "").await), restored, "nothing was changed");
}

#[tokio::test]
async fn without_a_token_only_this_host_may_change_the_level() {
    let service = Process::start(&["gateway"], &[("ADMIN_PORT", "0.0.0.0:0")]).await;
    let port = service.admin.rsplit(':').next().expect("a port").to_owned();
    let url = format!("http://127.0.0.1:{port}/log-level");
    for (headers, hint) in [
        ([("host", "attacker.example")], "set ALLOWED_HOSTS"),
        ([("x-forwarded-for", "127.0.0.1")], "set ADMIN_TOKEN"),
    ] {
        let refused = send(Method::PUT, &url, &headers, "debug").await;
        assert_eq!(refused.status, 403, "{headers:?}");
        assert!(refused.text().contains(hint), "{}", refused.text());
    }
    // The source address of Istio's sidecar.
    let answer = put_from([127, 0, 0, 6], port.parse().expect("a port")).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let answer = put_from([127, 0, 0, 1], port.parse().expect("a port")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn with_a_token_only_the_token_allows_changes() {
    let mut service = Process::start(&["service", "service-c"], &[("ADMIN_TOKEN", SECRET)]).await;
    let url = format!("http://{}/log-level", service.admin);
    for headers in [vec![], vec![("authorization", "Bearer hunter2-of-the-logz")]] {
        for method in [Method::PUT, Method::DELETE] {
            let refused = send(method, &url, &headers, "debug").await;
            assert_eq!(
                (refused.status.as_u16(), refused.header("www-authenticate")),
                (401, "Bearer realm=\"octet admin\"")
            );
        }
    }
    assert_eq!(value(&send(Method::GET, &url, &[], "").await)["filter"], "info", "reads need no token");
    let bearer = format!("Bearer {SECRET}");
    let changed = send(Method::PUT, &url, &[("authorization", &bearer)], "debug").await;
    assert_eq!(value(&changed)["filter"], "debug");
    let line = service.logs("log level changed").await;
    assert_eq!((&line["filter"], &line["peer"]), (&json!("debug"), &json!("127.0.0.1")));
    assert!(!line.to_string().contains(SECRET));
}

#[tokio::test]
async fn an_invalid_token_is_refused_at_the_start_and_not_printed() {
    for (arguments, value) in
        [(&["gateway"][..], "hunter2"), (&["collector"], "hunter2 and a blank in it"), (&["up"], "hunter2")]
    {
        let refused = octet().args(arguments).env("ADMIN_TOKEN", value).output().await.expect("running");
        let text = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(64), "{arguments:?}: {text}");
        assert!(text.contains("ADMIN_TOKEN: must be 16 to 512 visible ASCII characters"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// Sends a request from another address of this host.
async fn put_from(source: [u8; 4], port: u16) -> String {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((source, 0))).expect("an address of this host");
    let mut stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("connected");
    let request =
        "PUT /log-level HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\nconnection: close\r\n\r\ndebug";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}
