//! Faults of all processes by the gateway: `/api/faults` under `octet up`.

use http_body_util::Full;
use hyper::{Request, StatusCode, body::Bytes};
use serde_json::Value;

use crate::{
    client::{Client, Reply},
    platform::Mesh,
};

async fn ask(mesh: &Mesh, method: &str, path: &str, body: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(mesh.url(path))
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request");
    Client::new().send(request).await.expect("a response")
}

fn json(reply: &Reply) -> Value {
    assert_eq!(reply.status, StatusCode::OK, "{}", String::from_utf8_lossy(&reply.body));
    serde_json::from_slice(&reply.body).expect("JSON")
}

#[tokio::test]
async fn a_fault_that_the_gateway_sets_acts_in_the_mesh_until_it_is_cleared() {
    let mesh = Mesh::start().await;
    let fault = "at=service-e>service-g abort=UNAVAILABLE";
    let set = json(&ask(&mesh, "PUT", "/api/faults?for=5m", fault).await);
    // The eight services and the gateway itself.
    assert_eq!(
        (&set["faults"][0]["processes"], &set["failed"]),
        (&9.into(), &serde_json::json!([])),
        "{set}"
    );
    let failed = ask(&mesh, "GET", "/api/greeting", "").await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    let message = String::from_utf8_lossy(&failed.body);
    assert!(message.contains("injected:"), "{message}");

    let shown = json(&ask(&mesh, "GET", "/api/faults", "").await);
    assert_eq!(
        (&shown["faults"][0]["fault"], &shown["faults"][0]["acted"]),
        (&fault.into(), &1.into()),
        "{shown}"
    );
    assert!(shown["faults"][0]["until"].is_string(), "{shown}");

    // Somebody else's fault changes nothing about this one, when it comes and when it ends.
    let other = "at=service-h delay=1ms";
    let added = json(&ask(&mesh, "PATCH", "/api/faults", other).await);
    let faults: Vec<_> = [0, 1].map(|index| &added["faults"][index]["fault"]).into();
    assert_eq!(faults, [fault, other], "{added}");
    let query = other.replace(' ', "%20").replace('=', "%3D");
    let ended = json(&ask(&mesh, "DELETE", &format!("/api/faults?fault={query}"), "").await);
    assert_eq!(ended["faults"], shown["faults"], "{ended}");

    let cleared = json(&ask(&mesh, "DELETE", "/api/faults", "").await);
    assert_eq!(cleared["faults"], serde_json::json!([]));
    assert_eq!(ask(&mesh, "GET", "/api/greeting", "").await.status, StatusCode::OK);
    mesh.end().await;
}
