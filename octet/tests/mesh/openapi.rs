//! Two tools check `/openapi.json`: that it is a valid OpenAPI 3.1 document, and that the gateway conforms to it.

use crate::{client::Client, https::run, platform::Mesh};

/// The echo serves any method, including methods that OpenAPI cannot describe. A stream is one JSON document per line, which
/// OpenAPI describes from version 3.2.
const SETTINGS: &str = r#"
[[operations]]
include-path = "/api/request-echo"
checks.unsupported_method.enabled = false

[[operations]]
include-path = "/api/greeting/stream"
checks.response_schema_conformance.enabled = false
"#;

#[tokio::test]
async fn the_document_is_valid_and_the_gateway_conforms_to_it() {
    let mesh = Mesh::start().await;
    let document = Client::new().get(&mesh.url("/openapi.json")).await;
    let file = tempfile::Builder::new().suffix(".json").tempfile().expect("a temporary file");
    std::fs::write(file.path(), document.text()).expect("written");
    run("openapi-spec-validator", &[file.path().to_str().expect("text")]).await;

    let settings = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
    std::fs::write(settings.path(), SETTINGS).expect("written");
    // The seed makes every run send the same inputs. `/api/status` returns errors on purpose, and a load run, a scenario or
    // a fault disturbs the other operations.
    let arguments = [
        "--config-file",
        settings.path().to_str().expect("text"),
        "run",
        &*mesh.url("/openapi.json"),
        "--exclude-path-regex",
        "^/api/(status|load|scenarios|faults)",
        "--max-examples",
        "40",
        "--seed",
        "1",
        "--no-color",
        "--generation-database",
        "none",
    ];
    let report = run("schemathesis", &arguments).await;
    assert!(report.contains("No issues found"), "{report}");
    mesh.end().await;
}
