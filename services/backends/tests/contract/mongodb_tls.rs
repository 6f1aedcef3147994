//! The MongoDB store over TLS, with the certificates of an authority that only the URL names.

use std::time::Duration;

use octet_backends::{
    OpenError,
    mongodb::{MongoSettings, MongoStore},
    store::{DocumentStore, Inserted, StoreError},
};
use octet_testbed::{Authority, Database, TlsFront};
use tokio::time::Instant;

use crate::{
    factories::{document, until},
    mongodb::Mongo,
};

/// Opens a store at `url`, which does not reach its server, and returns what both calls say.
async fn refusal(url: &str) -> String {
    let store = Mongo::at(url).opened().await;
    let since = Instant::now();
    let inserted = store.insert(&document("a")).await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(matches!(inserted, Err(StoreError::Unavailable(_))), "{inserted:?}");
    // A server that hangs up is known at once, one that says nothing after the connection's time limit.
    until(|| async {
        let since = Instant::now();
        store.ping().await.is_err() && since.elapsed() < Duration::from_millis(100)
    })
    .await;
    store.ping().await.unwrap_err().to_string()
}

#[tokio::test]
async fn the_authority_that_the_url_names_is_trusted() {
    let server = Database::start().await;
    let authority = Authority::new();
    let front = TlsFront::start(&authority, server.socket()).await;
    let store = Mongo::at(&front.mongodb_url(&authority.ca())).opened().await;
    assert_eq!(store.insert(&document("a")).await, Ok(Inserted::New));
    assert_eq!(store.ping().await, Ok(()));
}

#[tokio::test]
async fn another_authority_s_certificate_is_refused_and_the_reason_says_so() {
    let server = Database::start().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let front = TlsFront::start(&authority, server.socket()).await;
    let reason = refusal(&front.mongodb_url(&other.ca())).await;
    assert!(reason.contains("over TLS: invalid peer certificate"), "{reason}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_the_url_asks_for_it() {
    let server = Database::start().await;
    let authority = Authority::new();
    let url = format!("{}?tls=true&tlsCAFile={}", server.url(), authority.ca().display());
    let reason = refusal(&url).await;
    assert!(reason.contains("over TLS: "), "{reason}");
}

#[tokio::test]
async fn a_server_that_wants_tls_is_no_plain_server() {
    let server = Database::start().await;
    let front = TlsFront::start(&Authority::new(), server.socket()).await;
    let reason = refusal(&format!("mongodb://{}/", front.address())).await;
    assert!(!reason.contains("over TLS"), "{reason}");
}

#[tokio::test]
async fn a_certificate_file_that_is_absent_is_a_fault_of_the_configuration() {
    for url in [
        "mongodb://localhost/?tls=true&tlsCAFile=/absent/ca.pem",
        "mongodb+srv://cluster.octet.invalid/?tlsCAFile=/absent/ca.pem",
    ] {
        let settings = MongoSettings::new(url.parse().unwrap(), "service-c", "greetings");
        match MongoStore::open(settings).await.map(drop) {
            Err(OpenError::File { option: "tlsCAFile", path, .. }) => {
                assert_eq!(path.to_str(), Some("/absent/ca.pem"));
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}
