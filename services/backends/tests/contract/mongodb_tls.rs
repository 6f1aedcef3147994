//! The MongoDB store over TLS, with a private authority.

use std::time::Duration;

use octet_backends::{
    OpenError,
    mongodb::{MongoSettings, MongoStore},
    store::{DocumentStore, Inserted, StoreError},
};
use octet_testbed::{Authority, Database, TlsFront, eventually};

use crate::{factories::document, mongodb::Mongo};

/// Opens a store at `url`, which cannot reach its server, and returns the reason.
async fn refusal(url: &str) -> String {
    let store = Mongo::at(url).opened().await;
    let inserted = store.insert(&document("a")).await;
    assert!(matches!(inserted, Err(StoreError::Unavailable(_))), "{inserted:?}");
    // A server that closes the connection is noticed at once, a silent one after the connection's timeout.
    eventually("a ping fails at once", async || {
        tokio::time::timeout(Duration::from_millis(100), store.ping()).await.is_ok_and(|ping| ping.is_err())
    })
    .await;
    store.ping().await.unwrap_err().to_string()
}

#[tokio::test]
async fn the_urls_authority_is_trusted() {
    let server = Database::start().await;
    let authority = Authority::new();
    let front = TlsFront::start(&authority, server.socket()).await;
    let store = Mongo::at(&front.mongodb_url(&authority.ca())).opened().await;
    assert_eq!(store.insert(&document("a")).await, Ok(Inserted::New));
    assert_eq!(store.ping().await, Ok(()));
}

#[tokio::test]
async fn another_authoritys_certificate_is_refused_with_the_reason() {
    let server = Database::start().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let front = TlsFront::start(&authority, server.socket()).await;
    let reason = refusal(&front.mongodb_url(&other.ca())).await;
    assert!(reason.contains("over TLS: invalid peer certificate"), "{reason}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_if_the_url_requires_it() {
    let server = Database::start().await;
    let authority = Authority::new();
    let url = format!("{}?tls=true&tlsCAFile={}", server.url(), authority.ca().display());
    let reason = refusal(&url).await;
    assert!(reason.contains("over TLS: "), "{reason}");
}

#[tokio::test]
async fn a_server_that_requires_tls_is_unavailable_without_it() {
    let server = Database::start().await;
    let front = TlsFront::start(&Authority::new(), server.socket()).await;
    let reason = refusal(&format!("mongodb://{}/", front.address())).await;
    assert!(!reason.contains("over TLS"), "{reason}");
}

#[tokio::test]
async fn an_absent_certificate_file_is_a_fault_of_the_configuration() {
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
