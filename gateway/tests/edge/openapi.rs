//! `/openapi.json` of a proto with every kind of rule. `octet/tests/mesh/openapi.rs` checks with two tools that the document
//! is valid and that the gateway conforms to it.

use serde_json::{Value, json};

use crate::{
    client::{ask, get},
    gateway::Gateway,
};

async fn document() -> Value {
    let gateway = Gateway::start().await;
    get(&gateway, "/openapi.json").await.json()
}

fn names(parameters: &Value) -> Vec<&str> {
    parameters.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_rule_that_openapi_can_express_is_an_operation() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for (path, method) in [
        ("/v1/shelves", "get"),
        ("/v1/shelves", "post"),
        ("/v1/shelves/{shelf}", "get"),
        ("/v1/shelves/{name.1}:merge", "post"),
        ("/v1/shelves/{name.1}/books/{name.2}", "patch"),
        ("/v1/files/{path}", "get"),
        ("/v1/shelves/{shelf}:watch", "get"),
        ("/api/health", "get"),
        ("/api/processes", "get"),
        ("/api/faults", "put"),
        ("/api/scenarios", "post"),
        ("/api/request-echo", "trace"),
    ] {
        assert!(paths.contains_key(path), "{path}: {:?}", paths.keys());
        assert!(paths[path].get(method).is_some(), "{method} {path}");
    }
    // OpenAPI has no PURGE and no `*`, and client-streaming RPCs are not available over REST.
    assert!(paths["/v1/shelves/{shelf}"].as_object().unwrap().len() == 1);
    assert!(!paths.contains_key("/v1/chat"));
}

#[tokio::test]
async fn parameters_body_and_response_follow_the_rule() {
    let document = document().await;
    let operation = |pointer: &str| document.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).clone();
    let everything = operation("/paths/~1v1~1everything/get/parameters");
    for name in ["int32Value", "nested.text", "strings", "timestamp", "otherName"] {
        assert!(names(&everything).contains(&name), "{name}: {:?}", names(&everything));
    }
    assert!(!names(&everything).contains(&"nesteds.text"), "a list of messages cannot be a query parameter");
    let update = operation("/paths/~1v1~1shelves~1{name.1}~1books~1{name.2}/patch");
    assert_eq!(
        update.pointer("/requestBody/content/application~1json/schema/$ref"),
        Some(&json!("#/components/schemas/library.v1.Book-request"))
    );
    let list = operation("/paths/~1v1~1shelves/get/responses/200/content/application~1json/schema");
    assert_eq!(list["type"], "array", "response_body");
    let book = operation("/components/schemas/library.v1.Book");
    assert_eq!(book["required"], json!(["name", "title", "author", "tags", "published"]));
    assert_eq!(book.pointer("/properties/author/anyOf/1/type"), Some(&json!("null")));
    let ids: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[tokio::test]
async fn comments_become_descriptions_and_every_reference_resolves() {
    let document = document().await;
    let newest = document.pointer("/paths/~1v1~1shelves~1newest/get").unwrap();
    assert_eq!(newest["description"], "More specific than GetShelf.");
    assert_eq!(newest["summary"], "More specific than GetShelf");
    let mut references = Vec::new();
    gather(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some_and(|found| !found.is_null()), "{reference}");
    }
}

fn gather<'d>(value: &'d Value, references: &mut Vec<&'d str>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| gather(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_server_is_the_proxys_path() {
    let gateway = Gateway::start().await;
    let server = async |gateway: &Gateway, prefix: &str| {
        let reply = ask(gateway, "GET", "/openapi.json", &[("X-Forwarded-Prefix", prefix)], "").await;
        reply.json()["servers"].clone()
    };
    for (prefix, url) in [("/octet/", "/octet"), ("/a/b-c_d.e~1", "/a/b-c_d.e~1")] {
        assert_eq!(server(&gateway, prefix).await, serde_json::json!([{ "url": url }]), "{prefix}");
    }
    let long = format!("/{}", "x".repeat(300));
    for prefix in
        ["/", "octet", "//evil.example", "/a//b", "https://evil.example/", "/a\"b", "/a%22", "/a, /b", &long]
    {
        assert_eq!(server(&gateway, prefix).await, serde_json::json!([{ "url": "/" }]), "{prefix}");
    }
    let untrusting = Gateway::with(&[("TRUSTED_PROXIES", "192.0.2.0/24")]).await;
    assert_eq!(server(&untrusting, "/octet").await, serde_json::json!([{ "url": "/" }]));
}
