//! The MongoDB factory, its adapter's contract tests, and tests of single documents.

use std::{sync::Arc, thread};

use async_trait::async_trait;
use mongodb::{
    Client, Collection, IndexModel,
    bson::{Bson, Document as Bsons, doc},
    options::IndexOptions,
};
use octet_backends::{
    inspect::{InspectError, StoreInspect},
    mongodb::{MongoSettings, MongoStore, MongoStoreInspect},
    store::{Document, DocumentStore, Inserted, StoreError},
};
use tokio::task::JoinSet;

use crate::{
    Stores,
    factories::{document, unique},
};

/// A database for one test, which is removed at the end.
pub(crate) struct Mongo {
    url: String,
    database: String,
}

impl Mongo {
    /// On the server that the tests share.
    pub(crate) async fn shared() -> Self {
        Self::at(&octet_testbed::shared_database().await)
    }

    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), database: format!("octet-test-{}", unique()) }
    }

    pub(crate) fn settings(&self) -> MongoSettings {
        MongoSettings::new(self.url.parse().unwrap(), &self.database, "greetings")
    }

    pub(crate) async fn opened(&self) -> Arc<MongoStore> {
        Arc::new(MongoStore::open(self.settings()).await.unwrap())
    }

    /// An ordinary client of the collection.
    async fn client(&self) -> Collection<Bsons> {
        Client::with_uri_str(&self.url).await.unwrap().database(&self.database).collection("greetings")
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        let (url, database) = (self.url.clone(), self.database.clone());
        // In another runtime, because the test's own is busy dropping this. A dead server's database need not be removed.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut options = mongodb::options::ClientOptions::parse(url).await?;
                options.server_selection_timeout = Some(std::time::Duration::from_millis(300));
                Client::with_options(options)?.database(&database).drop().await
            })
        });
        let _ = dropping.join();
    }
}

#[async_trait(?Send)]
impl Stores for Mongo {
    async fn store(&self) -> Arc<dyn DocumentStore> {
        self.opened().await
    }

    async fn inspect(&self) -> Box<dyn StoreInspect> {
        Box::new(MongoStoreInspect::open(self.settings()).await.unwrap())
    }

    async fn stored(&self, id: &str) -> Vec<(String, String)> {
        let found = self.client().await.find_one(doc! { "_id": id }).await.unwrap().expect("it is there");
        let text = |value: Bson| value.as_str().expect("a text").to_owned();
        found.into_iter().map(|(name, value)| (name, text(value))).collect()
    }
}

store_contract!(Mongo::shared().await);

/// Creates a unique index on `hostname`, as an operator may do.
async fn one_greeting_per_host(mongo: &Mongo) {
    let unique = IndexOptions::builder().unique(true).build();
    let index = IndexModel::builder().keys(doc! { "hostname": 1 }).options(unique).build();
    mongo.client().await.create_index(index).await.unwrap();
}

fn of_host(id: &str, hostname: &str) -> Document {
    Document { hostname: hostname.to_owned(), ..document(id) }
}

#[tokio::test]
async fn a_duplicate_key_of_another_unique_index_is_rejected() {
    let mongo = Mongo::shared().await;
    one_greeting_per_host(&mongo).await;
    let store = mongo.store().await;
    assert_eq!(store.insert(&of_host("a", "host-1")).await, Ok(Inserted::New));
    let refused = store.insert(&of_host("b", "host-1")).await;
    assert!(matches!(&refused, Err(StoreError::Rejected(reason)) if reason.contains("11000")), "{refused:?}");
    assert_eq!(store.insert(&of_host("a", "host-1")).await, Ok(Inserted::AlreadyThere));
    assert_eq!(mongo.inspect().await.count().await, Ok(1));
}

#[tokio::test]
async fn a_bad_document_fails_alone() {
    let mongo = Mongo::shared().await;
    one_greeting_per_host(&mongo).await;
    let store = mongo.store().await;
    store.insert(&of_host("first", "taken")).await.unwrap();
    let mut inserts = JoinSet::new();
    for number in 0..90_u32 {
        let document = match number % 3 {
            0 => of_host(&number.to_string(), "taken"),
            1 => of_host("first", "taken"),
            _ => of_host(&number.to_string(), &format!("host-{number}")),
        };
        let store = Arc::clone(&store);
        inserts.spawn(async move { (number % 3, store.insert(&document).await) });
    }
    for (kind, result) in inserts.join_all().await {
        match kind {
            0 => assert!(matches!(result, Err(StoreError::Rejected(_))), "{result:?}"),
            1 => assert_eq!(result, Ok(Inserted::AlreadyThere)),
            _ => assert_eq!(result, Ok(Inserted::New)),
        }
    }
    assert_eq!(mongo.inspect().await.count().await, Ok(31));
}

#[tokio::test]
async fn a_document_above_the_protocols_limit_is_rejected() {
    let mongo = Mongo::shared().await;
    let store = mongo.store().await;
    let large = Document { message: "x".repeat(16 * 1024 * 1024), ..document("large") };
    let refused = store.insert(&large).await;
    assert!(
        matches!(&refused, Err(StoreError::Rejected(reason)) if reason.contains("16 MiB")),
        "{refused:?}"
    );
    assert_eq!(store.insert(&document("small")).await, Ok(Inserted::New));
}

#[tokio::test]
async fn a_nul_in_a_text_is_stored() {
    let mongo = Mongo::shared().await;
    let with_nul = Document { message: "a\0b".to_owned(), ..document("nul") };
    mongo.store().await.insert(&with_nul).await.unwrap();
    assert!(mongo.stored("nul").await.contains(&("message".to_owned(), "a\0b".to_owned())));
}

#[tokio::test]
async fn a_collection_without_a_write_is_absent() {
    let mongo = Mongo::shared().await;
    let store = mongo.store().await;
    let inspect = mongo.inspect().await;
    let absent = InspectError::Absent(format!("collection greetings in database {}", mongo.database));
    assert_eq!(inspect.count().await, Err(absent.clone()));
    assert_eq!(inspect.missing(&["a".to_owned()]).await, Err(absent));
    store.insert(&document("a")).await.unwrap();
    mongo.client().await.delete_one(doc! { "_id": "a" }).await.unwrap();
    assert_eq!(inspect.count().await, Ok(0));
    assert_eq!(inspect.missing(&["a".to_owned()]).await, Ok(vec!["a".to_owned()]));
}

#[tokio::test]
async fn thousands_of_ids_are_looked_for_in_one_call() {
    let mongo = Mongo::shared().await;
    let store = mongo.store().await;
    store.insert(&document("there")).await.unwrap();
    let mut asked: Vec<String> = (0..2_500).map(|number: u32| number.to_string()).collect();
    asked.insert(1_700, "there".to_owned());
    let missing = mongo.inspect().await.missing(&asked).await.unwrap();
    asked.remove(1_700);
    assert_eq!(missing, asked);
}
