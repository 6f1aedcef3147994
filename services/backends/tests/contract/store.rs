//! The contract of a document store.

use std::{collections::HashMap, sync::Arc};

use octet_backends::{
    inspect::Fingerprint,
    store::{Document, Inserted, StoreError},
};
use tokio::task::JoinSet;

use crate::{
    Stores,
    factories::{document, unique},
};

/// Tests `$factory`'s adapter against the contract, with a test per case. `$factory` is an expression that makes a factory.
macro_rules! store_contract {
    ($factory:expr) => {
        $crate::store::store_contract! { $factory;
            an_inserted_document_is_stored,
            a_retry_is_a_success_that_changes_nothing,
            other_content_with_the_same_id_is_rejected,
            of_concurrent_inserts_with_the_same_id_one_content_wins,
            a_document_has_its_id_and_its_five_fields_only,
            concurrent_inserts_are_all_stored_and_each_id_is_new_once,
            any_text_is_stored_as_it_is,
            a_confirmed_document_outlives_its_store,
            inspection_lists_missing_ids_in_order,
            inspection_fingerprints_the_stored_fields,
            a_ping_succeeds,
        }
    };
    ($factory:expr; $($case:ident),+ $(,)?) => {
        mod store_contract {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                $crate::store::$case(&$factory).await;
            })+
        }
    };
}
pub(crate) use store_contract;

pub(crate) async fn an_inserted_document_is_stored(stores: &impl Stores) {
    let store = stores.store().await;
    assert_eq!(store.insert(&document("a")).await, Ok(Inserted::New));
    assert_eq!(stores.inspect().await.count().await, Ok(1));
    assert_eq!(stores.inspect().await.missing(&["a".to_owned()]).await, Ok(vec![]));
}

pub(crate) async fn a_retry_is_a_success_that_changes_nothing(stores: &impl Stores) {
    let store = stores.store().await;
    store.insert(&document("a")).await.unwrap();
    let before = stores.stored("a").await;
    assert_eq!(store.insert(&document("a")).await, Ok(Inserted::AlreadyThere));
    assert_eq!(stores.stored("a").await, before);
    assert_eq!(stores.inspect().await.count().await, Ok(1));
}

pub(crate) async fn other_content_with_the_same_id_is_rejected(stores: &impl Stores) {
    let store = stores.store().await;
    store.insert(&document("a")).await.unwrap();
    let before = stores.stored("a").await;
    let other = || "other".to_owned();
    for other in [
        Document { service: other(), ..document("a") },
        Document { message: other(), ..document("a") },
        Document { created: other(), ..document("a") },
        Document { hostname: other(), ..document("a") },
    ] {
        assert_eq!(store.insert(&other).await, Err(StoreError::OtherContent), "{other:?}");
    }
    assert_eq!(stores.stored("a").await, before);
}

pub(crate) async fn of_concurrent_inserts_with_the_same_id_one_content_wins(stores: &impl Stores) {
    let store = stores.store().await;
    let mut inserts = JoinSet::new();
    for number in 0..40_u32 {
        let store = Arc::clone(&store);
        let document = Document { message: (number % 4).to_string(), ..document("a") };
        inserts.spawn(async move { (store.insert(&document).await, document.message) });
    }
    let results = inserts.join_all().await;
    let stored = stores.stored("a").await;
    let new = results.iter().filter(|(result, _)| *result == Ok(Inserted::New)).count();
    assert_eq!(new, 1, "{results:?}");
    for (result, message) in results {
        let is_same = stored.contains(&("message".to_owned(), message));
        assert_eq!(result.is_ok(), is_same, "{result:?}");
        assert!(is_same || result == Err(StoreError::OtherContent), "{result:?}");
    }
}

pub(crate) async fn a_document_has_its_id_and_its_five_fields_only(stores: &impl Stores) {
    let id = "0c1a7bd6-8f7c-4f43-9d2c-7f1ad4d6f3a1";
    stores.store().await.insert(&document(id)).await.unwrap();
    let stored = stores.stored(id).await;
    let stored: Vec<_> = stored.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        stored,
        [
            ("_id", id),
            ("id", id),
            ("service", "service-d"),
            ("message", "Shalom (שָׁלוֹם), from Service D!"),
            ("created", "2026-01-02T03:04:05.000000006Z"),
            ("hostname", "host-1"),
        ]
    );
}

pub(crate) async fn concurrent_inserts_are_all_stored_and_each_id_is_new_once(stores: &impl Stores) {
    // Two handles, like two processes, insert each document.
    let handles = [stores.store().await, stores.store().await];
    let ids: Vec<String> = (0..300).map(|_| unique()).collect();
    let mut inserts = JoinSet::new();
    for id in &ids {
        for handle in &handles {
            let (store, document) = (Arc::clone(handle), document(id));
            inserts.spawn(async move { (document.id.clone(), store.insert(&document).await.unwrap()) });
        }
    }
    let mut new: HashMap<String, u32> = HashMap::new();
    for (id, inserted) in inserts.join_all().await {
        *new.entry(id).or_default() += u32::from(inserted == Inserted::New);
    }
    assert!(new.values().all(|times| *times == 1));
    assert_eq!(stores.inspect().await.count().await, Ok(300));
    assert_eq!(stores.inspect().await.missing(&ids).await, Ok(vec![]));
}

pub(crate) async fn any_text_is_stored_as_it_is(stores: &impl Stores) {
    let store = stores.store().await;
    let texts = ["", "नमस्ते 你好 أهلا 👋🏽", "quote ' \" ` ; -- \\ \n\t", &"long ".repeat(200_000)];
    for (number, text) in texts.into_iter().enumerate() {
        let id = number.to_string();
        store.insert(&Document { message: text.to_owned(), ..document(&id) }).await.unwrap();
        let stored = stores.stored(&id).await;
        assert!(stored.contains(&("message".to_owned(), text.to_owned())), "text {number}");
    }
}

pub(crate) async fn a_confirmed_document_outlives_its_store(stores: &impl Stores) {
    let store = stores.store().await;
    store.insert(&document("a")).await.unwrap();
    drop(store);
    assert_eq!(stores.store().await.insert(&document("a")).await, Ok(Inserted::AlreadyThere));
}

pub(crate) async fn inspection_fingerprints_the_stored_fields(stores: &impl Stores) {
    let store = stores.store().await;
    let stored = Document { message: "Grüße".to_owned(), ..document("a") };
    store.insert(&stored).await.unwrap();
    store.insert(&document("b")).await.unwrap();
    let found = stores.inspect().await.fingerprints(&["b", "c", "a"].map(str::to_owned)).await.unwrap();
    assert_eq!(found.len(), 2);
    let of = |document: &Document| {
        let Document { service, message, created, hostname, .. } = document;
        Fingerprint::of([service, message, created, hostname].map(|field| Some(field.as_bytes())))
    };
    assert_eq!((found["a"], found["b"]), (of(&stored), of(&document("b"))));
    assert_eq!(found["a"].difference(&found["b"]), Some("message"));
}

pub(crate) async fn inspection_lists_missing_ids_in_order(stores: &impl Stores) {
    let store = stores.store().await;
    store.insert(&document("b")).await.unwrap();
    let asked = ["c", "b", "a"].map(str::to_owned);
    assert_eq!(stores.inspect().await.missing(&asked).await, Ok(vec!["c".to_owned(), "a".to_owned()]));
}

pub(crate) async fn a_ping_succeeds(stores: &impl Stores) {
    assert_eq!(stores.store().await.ping().await, Ok(()));
}
