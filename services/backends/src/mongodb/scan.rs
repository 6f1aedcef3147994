//! Reading a collection by id.

use async_trait::async_trait;
use mongodb::bson::doc;

use super::inspect::MongoStoreInspect;
use crate::{
    inspect::InspectError,
    scan::{ScanOrder, ScanPosition, Scanned, StoreScan},
    store::Document,
};

#[async_trait]
impl StoreScan for MongoStoreInspect {
    fn order(&self) -> ScanOrder {
        ScanOrder::Id
    }

    async fn after(&self, position: Option<&ScanPosition>, limit: u32) -> Result<Vec<Scanned>, InspectError> {
        let after = position.map(|position| position.id.as_str()).unwrap_or_default();
        self.query(async |collection| {
            let newer = doc! { "_id": { "$gt": after } };
            let mut documents = collection.find(newer).sort(doc! { "_id": 1 }).limit(limit.into()).await?;
            let mut scanned = Vec::new();
            while documents.advance().await? {
                let document = documents.current();
                // Texts, unless somebody changed them by hand.
                let text = |name: &str| document.get_str(name).unwrap_or_default().to_owned();
                let document = Document {
                    id: text("_id"),
                    service: text("service"),
                    message: text("message"),
                    created: text("created"),
                    hostname: text("hostname"),
                };
                scanned
                    .push(Scanned { position: ScanPosition { row: 0, id: document.id.clone() }, document });
            }
            Ok(scanned)
        })
        .await
    }
}
