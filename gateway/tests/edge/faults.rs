//! `/api/faults`: the faults of all processes, for clients that may set them.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse, routing::get as route};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    client::{Reply, ask, get},
    gateway::Gateway,
};

const PATH: &str = "/api/faults";

const TOKEN: &str = "a-token-of-enough-length";

const FAULT: &str = "at=service-g abort=UNAVAILABLE share=10%";

/// The admin server of a process, which keeps what it is sent.
struct Admin {
    address: String,
    /// Method, query, `authorization` and body of each request.
    requests: Arc<Mutex<Vec<[String; 4]>>>,
    served: JoinHandle<()>,
}

impl Admin {
    /// It accepts changes, or refuses them with this.
    async fn start(refusal: Option<(StatusCode, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let requests = Arc::<Mutex<Vec<[String; 4]>>>::default();
        let seen = requests.clone();
        let answer = async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let authorization = parts.headers.get("authorization").map(|it| it.to_str().expect("text"));
            let request = [
                parts.method.to_string(),
                parts.uri.query().unwrap_or_default().to_owned(),
                authorization.unwrap_or_default().to_owned(),
                String::from_utf8(body.to_vec()).expect("text"),
            ];
            let mut seen = seen.lock().expect("no panic");
            seen.push(request);
            if let Some(refusal) = refusal {
                return refusal.into_response();
            }
            let last = seen.iter().rev().find(|[method, ..]| method != "GET");
            let texts = last.map(|[_, _, _, text]| text.lines().map(str::to_owned).collect::<Vec<_>>());
            let faults: Vec<_> = texts
                .unwrap_or_default()
                .into_iter()
                .map(|text| json!({ "fault": text, "source": "admin", "until": "2030-01-01T00:00:00Z", "acted": 2 }))
                .collect();
            axum::Json(json!({ "seed": 1, "faults": faults })).into_response()
        };
        let router = Router::new()
            .route("/faults", route(answer.clone()).put(answer.clone()).patch(answer.clone()).delete(answer));
        let served = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, requests, served }
    }

    fn requests(&self) -> Vec<[String; 4]> {
        self.requests.lock().expect("no panic").clone()
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn put(gateway: &Gateway, query: &str, headers: &[(&str, &str)], faults: &str) -> Reply {
    ask(gateway, "PUT", &format!("{PATH}{query}"), headers, faults).await
}

#[tokio::test]
async fn without_addresses_there_are_no_faults_and_the_page_gets_the_reason() {
    let gateway = Gateway::start().await;
    let shown = get(&gateway, PATH).await;
    assert_eq!((shown.status, &shown.json()["available"]), (StatusCode::OK, &Value::Bool(false)));
    assert!(shown.json()["reason"].as_str().expect("a reason").contains("ADMIN_ADDRESSES"));
    for method in ["PUT", "PATCH", "DELETE"] {
        let refused = ask(&gateway, method, PATH, &[], FAULT).await;
        assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::NOT_FOUND, &5.into()));
    }
}

#[tokio::test]
async fn faults_are_set_listed_and_cleared_in_every_process_but_the_collector() {
    let (one, two, collector) =
        (Admin::start(None).await, Admin::start(None).await, Admin::start(None).await);
    let addresses =
        format!("service-g={},service-a={},collector={}", one.address, two.address, collector.address);
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &addresses)]).await;

    let set = put(&gateway, "?for=5m", &[], &format!("{FAULT}\nat=service-a>service-b delay=1ms")).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text());
    for admin in [&one, &two] {
        let [method, query, authorization, text] = admin.requests().pop().expect("a request");
        assert_eq!((method.as_str(), query.as_str(), authorization.as_str()), ("PUT", "for=5m", ""));
        assert!(text.starts_with(FAULT), "{text}");
    }
    let shown = get(&gateway, PATH).await.json();
    assert_eq!((&shown["available"], &shown["needsToken"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(
        shown["faults"][0],
        json!({ "fault": FAULT, "source": "admin", "until": "2030-01-01T00:00:00Z", "acted": 4, "processes": 2 })
    );
    assert_eq!(shown["faults"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["failed"], json!([]));
    assert!(shown["at"].as_u64().is_some_and(|at| at > 1_700_000_000_000), "{shown}");

    let added = ask(&gateway, "PATCH", &format!("{PATH}?for=2m"), &[], FAULT).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.text());
    let encoded = "at%3Dservice-g%20abort=UNAVAILABLE+share=10%25";
    let ended = ask(&gateway, "DELETE", &format!("{PATH}?fault={encoded}"), &[], "").await;
    assert_eq!(ended.status, StatusCode::OK, "{}", ended.text());
    for admin in [&one, &two] {
        let requests = admin.requests();
        let [.., [patch, lasting, _, text], [delete, query, _, none]] = requests.as_slice() else {
            panic!("{requests:?}")
        };
        assert_eq!([patch, lasting, text], ["PATCH", "for=2m", FAULT]);
        let query = query.strip_prefix("fault=").expect("one fault");
        let named = percent_encoding::percent_decode_str(query).decode_utf8().expect("text");
        assert_eq!([delete, &*named, none], ["DELETE", FAULT, ""]);
    }
    for wrong in ["faults=x", "fault=", "fault=at%3Da", "fault=%FF", "fault=x&fault=y"] {
        let refused = ask(&gateway, "DELETE", &format!("{PATH}?{wrong}"), &[], "").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }

    let cleared = ask(&gateway, "DELETE", PATH, &[], "").await;
    assert_eq!((cleared.status, &cleared.json()["faults"]), (StatusCode::OK, &json!([])));
    assert_eq!(collector.requests(), Vec::<[String; 4]>::new(), "it serves no calls");
}

#[tokio::test]
async fn what_cannot_act_or_last_is_refused_before_any_process_has_it() {
    let admin = Admin::start(None).await;
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &format!("service-g={}", admin.address))]).await;
    for (query, faults, problem) in [
        ("", "at=service-g abort=BROKEN", "abort"),
        ("", "at=service-g", "effect"),
        ("", "at=service-z drop=true", "service-z"),
        ("", "at=service-a>service-g drop=true", "service-a>service-g"),
        ("?for=25h", FAULT, "for=DURATION"),
        ("?form=5m", FAULT, "for=DURATION"),
        ("", &"#".repeat(65 * 1024), "exceeds 65536 bytes"),
    ] {
        let refused = put(&gateway, query, &[], faults).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query} {}", refused.text());
        assert!(refused.text().contains(problem), "{problem}: {}", refused.text());
    }
    let refused = put(&gateway, "", &[], &" ".repeat(8 * 1024 * 1024)).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(admin.requests(), Vec::<[String; 4]>::new());
}

#[tokio::test]
async fn strangers_see_and_change_nothing() {
    let admin = Admin::start(None).await;
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &format!("service-g={}", admin.address))]).await;
    for headers in [
        &[("origin", "http://attacker.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("host", "attacker.example")],
        &[("x-forwarded-for", "192.0.2.1")],
    ] {
        let shown = ask(&gateway, "GET", PATH, headers, "").await;
        assert_eq!(shown.status, StatusCode::OK);
        let shown = shown.json();
        assert_eq!((&shown["available"], &shown["faults"]), (&Value::Bool(false), &json!([])), "{headers:?}");
        assert!(
            shown["reason"].as_str().is_some_and(|text| text.contains("may not") || text.contains("may see"))
        );
        for (method, body) in [("PUT", FAULT), ("DELETE", "")] {
            let refused = ask(&gateway, method, PATH, headers, body).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {headers:?}: {}", refused.text());
        }
    }
    assert_eq!(admin.requests(), Vec::<[String; 4]>::new(), "no request reaches a process");
}

#[tokio::test]
async fn with_a_token_only_the_token_counts_and_the_processes_get_it() {
    let admin = Admin::start(None).await;
    let addresses = format!("service-g={}", admin.address);
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &addresses), ("ADMIN_TOKEN", TOKEN)]).await;
    let shown = get(&gateway, PATH).await.json();
    assert_eq!((&shown["available"], &shown["needsToken"]), (&Value::Bool(false), &Value::Bool(true)));
    for headers in [&[][..], &[("authorization", "Bearer a-token-of-another-length")]] {
        let refused = put(&gateway, "", headers, FAULT).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    assert_eq!(admin.requests(), Vec::<[String; 4]>::new());
    let bearer = format!("Bearer {TOKEN}");
    // From anywhere: it is the token that counts.
    let set = put(&gateway, "", &[("authorization", &bearer), ("x-forwarded-for", "192.0.2.1")], FAULT).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text());
    assert_eq!(admin.requests(), [["PUT", "", &bearer, FAULT].map(str::to_owned)]);
}

#[tokio::test]
async fn processes_that_fail_are_named_and_only_if_all_do_the_request_fails() {
    let refusal = (StatusCode::FORBIDDEN, "only from this host\n");
    let (takes, refuses) = (Admin::start(None).await, Admin::start(Some(refusal)).await);
    let addresses = format!("service-g={},service-h#2={}", takes.address, refuses.address);
    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &addresses)]).await;
    let set = put(&gateway, "", &[], FAULT).await;
    assert_eq!((set.status, &set.json()["faults"][0]["processes"]), (StatusCode::OK, &1.into()));
    let failed = json!([{ "process": "service-h", "replica": 2, "reason": "HTTP 403: only from this host" }]);
    assert_eq!(set.json()["failed"], failed);

    let gateway = Gateway::with(&[("ADMIN_ADDRESSES", &format!("service-h={}", refuses.address))]).await;
    let failed = put(&gateway, "", &[], FAULT).await;
    assert_eq!((failed.status, &failed.json()["code"]), (StatusCode::BAD_GATEWAY, &14.into()));
    assert!(failed.text().contains("service-h: HTTP 403: only from this host"), "{}", failed.text());
}
