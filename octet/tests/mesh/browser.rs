//! Pages in a real browser: CORS, `/docs` and gRPC-Web.

use std::{path::Path, process::Command};

use octet_proto::DESCRIPTOR_SET;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{chromium::Chromium, platform::Mesh};

/// An empty page of another origin: another port is another origin.
async fn elsewhere() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    (listener, origin)
}

async fn serve(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        tokio::spawn(async move {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let page = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\n\
                content-length: 15\r\n\r\n<!doctype html>";
            let _ = stream.write_all(page.as_bytes()).await;
        });
    }
}

/// A request with a header that needs a preflight; its value is what the page may read.
fn asking(url: &str) -> String {
    format!(
        r#"fetch("{url}", {{ headers: {{ "Grpc-Timeout": "5S" }}, credentials: "include" }})
            .then(async reply => [reply.status, (await reply.json()).greeting.length,
                                  reply.headers.get("x-request-id").length], error => error.name)"#
    )
}

#[tokio::test]
async fn a_page_of_another_origin_may_call_only_if_the_origin_is_allowed() {
    let (listener, origin) = elsewhere().await;
    let served = tokio::spawn(serve(listener));
    let (other, other_origin) = elsewhere().await;
    let other_served = tokio::spawn(serve(other));
    let mesh = Mesh::builder().with("ALLOWED_ORIGINS", &*origin).start().await;
    let url = mesh.url("/api/greeting");

    let mut browser = Chromium::start().await;
    for (page, expected) in [(&origin, json!([200, 7, 36])), (&other_origin, json!("TypeError"))] {
        browser.open(page).await;
        browser.until(&format!("location.origin === '{page}' && document.readyState === 'complete'")).await;
        assert_eq!(browser.evaluate(&asking(&url)).await, expected, "{page}");
    }
    mesh.end().await;
    served.abort();
    other_served.abort();
}

#[tokio::test]
async fn docs_load_from_the_gateway_alone_and_can_send_requests() {
    let mesh = Mesh::start().await;
    let mut browser = Chromium::start().await;
    browser.open(&mesh.url("/docs")).await;
    browser.until("location.pathname.startsWith('/docs') && document.readyState === 'complete'").await;
    browser
        .until("!!document.querySelector('.opblock-summary-path') || !document.querySelector('#api')")
        .await;
    assert_eq!(
        browser.evaluate("!!document.querySelector('#api')").await,
        json!(true),
        "the page was not built: run `make ui` and build again"
    );
    let broken = "window.broken = []; addEventListener('securitypolicyviolation',
        event => broken.push(`${event.violatedDirective} ${event.blockedURI}`)); true";
    browser.evaluate(broken).await;
    let operation = "[...document.querySelectorAll('.opblock')].find(block =>
        block.querySelector('.opblock-summary-path').getAttribute('data-path') === '/api/greeting')";
    browser.evaluate(&format!("window.operation = () => {operation}; true")).await;
    browser.until("!!operation()?.querySelector('.opblock-summary-control')").await;
    browser.evaluate("operation().querySelector('.opblock-summary-control').click()").await;
    // Swagger UI can send the request once it has resolved the operation and shows its parameters.
    let resolved =
        "!!operation().querySelector('.execute') && operation().innerText.includes('greeting.hostname')";
    browser.until(resolved).await;
    browser.evaluate("operation().querySelector('.execute').click()").await;
    let answer =
        "operation().querySelector('.live-responses-table')?.innerText.includes('service-h') ?? false";
    browser.until(answer).await;
    assert_eq!(browser.evaluate("broken").await, json!([]), "violations of the content security policy");

    let here = mesh.url("/");
    let elsewhere: Vec<_> =
        browser.requested.iter().filter(|url| !url.starts_with(&here) && !url.starts_with("data:")).collect();
    assert!(elsewhere.iter().all(|url| *url == "about:blank"), "{elsewhere:?}");
    assert!(browser.requested.iter().any(|url| url.ends_with("/api/greeting")), "{:?}", browser.requested);
    mesh.end().await;
}

/// The gRPC-Web client of Connect, from npm, with types created from the descriptors at run time.
const CLIENT: &str = r#"
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

const [set, baseUrl] = process.argv.slice(1);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(set)));
const service = registry.getService("greeting.v3.GreetingService");
const client = createClient(service, createGrpcWebTransport({ baseUrl }));
const { greeting } = await client.greeting({}, { timeoutMs: 5000 });
console.log(greeting.map(one => one.service).join(" "));
"#;

#[tokio::test]
async fn a_grpc_web_client_from_npm_receives_the_seven_greetings() {
    let mesh = Mesh::start().await;
    let set = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(set.path(), DESCRIPTOR_SET).expect("written");
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/npm");
    let mut node = tokio::process::Command::from(Command::new("node"));
    let output = node
        .current_dir(&tools)
        .args(["--input-type=module", "--eval", CLIENT, "--"])
        .arg(set.path())
        .arg(mesh.url(""))
        .output()
        .await
        .expect("node, and .tools/npm: run `make tools`");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stdout.trim(), crate::client::ORDER.join(" "), "{stderr}");
    mesh.end().await;
}
