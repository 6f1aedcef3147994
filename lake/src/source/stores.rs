//! Octet's own document stores, through the port `StoreScan`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use async_trait::async_trait;
use octet_backends::{
    inspect::InspectError,
    scan::{ScanOrder, ScanPosition, Scanned, StoreScan},
    store::Document,
};

use super::{Pages, Source};
use crate::{LakeError, Page, Position};

/// Documents in a page.
const PAGE: u32 = 1_000;

/// How much later than its id says a document may be inserted, where the order is that of ids.
const LOOKBACK_MS: u64 = 60 * 60 * 1_000;

/// The stores of a topology, each a topic.
pub struct StoresSource {
    name: String,
    stores: Vec<Store>,
}

struct Store {
    topic: String,
    scan: Arc<dyn StoreScan>,
    /// Ids within the lookback that were read, where the order is that of ids.
    seen: BTreeSet<String>,
}

impl StoresSource {
    /// Reads each of these collections as the topic beside it.
    pub fn new(name: &str, stores: Vec<(String, Arc<dyn StoreScan>)>) -> Self {
        let stores = stores.into_iter();
        let stores = stores.map(|(topic, scan)| Store { topic, scan, seen: BTreeSet::new() });
        Self { name: name.to_owned(), stores: stores.collect() }
    }
}

#[async_trait]
impl Source for StoresSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn topics(&mut self) -> Result<Vec<String>, LakeError> {
        Ok(self.stores.iter().map(|store| store.topic.clone()).collect())
    }

    /// Documents are final when they can be read.
    async fn settle(&mut self) -> Result<(), LakeError> {
        Ok(())
    }

    async fn read(
        &mut self,
        topic: &str,
        position: Option<&Position>,
        pages: &mut dyn Pages,
    ) -> Result<(), LakeError> {
        let store = self.stores.iter_mut().find(|store| store.topic == topic);
        let store = store.ok_or_else(|| LakeError::Refused("there is no such store".to_owned()))?;
        let last = position.map(scan_position).transpose()?;
        match store.scan.order() {
            ScanOrder::Insertion => store.read_new(last, pages).await,
            ScanOrder::Id => store.read_by_id(last, pages).await,
        }
    }

    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    fn disconnect(&mut self) {
        for store in &mut self.stores {
            store.seen.clear();
        }
    }
}

impl Store {
    async fn read_new(
        &mut self,
        mut last: Option<ScanPosition>,
        pages: &mut dyn Pages,
    ) -> Result<(), LakeError> {
        loop {
            let found = match self.scan.after(last.as_ref(), PAGE).await {
                Ok(found) => found,
                Err(error) => return self.absent_or(error, last.is_some()).await,
            };
            let Some(newest) = found.last() else { return Ok(()) };
            last = Some(newest.position.clone());
            pages.take(page(&found, None)?).await?;
        }
    }

    /// A store that was never written has no documents. One without the document of the position was replaced.
    async fn absent_or(&self, error: InspectError, has_position: bool) -> Result<(), LakeError> {
        match error {
            InspectError::Absent(what) if has_position && self.scan.after(None, 1).await.is_ok() => {
                Err(LakeError::Refused(format!(
                    "there is no {what}, after which reading continues: the store was replaced; `octet lake offsets \
                     reset {}` copies it from its beginning",
                    self.topic
                )))
            }
            InspectError::Absent(_) => Ok(()),
            InspectError::Unavailable(reason) => {
                Err(LakeError::Unavailable(format!("the store of {}: {reason}", self.topic)))
            }
        }
    }

    /// Begins a lookback before the position. Documents that were read before the process started come again.
    async fn read_by_id(
        &mut self,
        last: Option<ScanPosition>,
        pages: &mut dyn Pages,
    ) -> Result<(), LakeError> {
        let from = last.as_ref().map(|last| ScanPosition { row: 0, id: earlier(&last.id) });
        if let Some(from) = &from {
            self.seen = self.seen.split_off(&from.id);
        }
        let (mut from, mut newest) = (from, last);
        loop {
            let found = match self.scan.after(from.as_ref(), PAGE).await {
                Ok(found) => found,
                Err(error) => return self.absent_or(error, false).await,
            };
            let Some(end) = found.last() else { return Ok(()) };
            from = Some(end.position.clone());
            if newest.as_ref().is_none_or(|newest| newest.id < end.position.id) {
                newest = Some(end.position.clone());
            }
            let fresh: Vec<Scanned> =
                found.into_iter().filter(|scanned| !self.seen.contains(&scanned.position.id)).collect();
            let ids: Vec<String> = fresh.iter().map(|scanned| scanned.position.id.clone()).collect();
            if !fresh.is_empty() {
                // A late document must not move the position back.
                pages.take(page(&fresh, newest.as_ref())?).await?;
            }
            self.seen.extend(ids);
        }
    }
}

/// The smallest id of a lookback before this one, if it is a UUID with a time (version 7); otherwise itself.
fn earlier(id: &str) -> String {
    let time = (id.len() == 36 && id.as_bytes().get(14) == Some(&b'7')).then(|| id.get(..13)).flatten();
    let ms = time.and_then(|time| u64::from_str_radix(&time.replace('-', ""), 16).ok());
    let Some(ms) = ms.map(|ms| ms.saturating_sub(LOOKBACK_MS)) else { return id.to_owned() };
    format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff)
}

fn scan_position(position: &Position) -> Result<ScanPosition, LakeError> {
    let value = &position.0;
    let row = value.get("row").and_then(serde_json::Value::as_i64);
    let id = value.get("_id").and_then(serde_json::Value::as_str);
    let position = row.zip(id).map(|(row, id)| ScanPosition { row, id: id.to_owned() });
    position.ok_or_else(|| LakeError::Refused("the position in the lake is of another source".to_owned()))
}

/// A page of documents as they are stored: `_id`, a copy of it, and the greeting's other fields. `least` is the smallest
/// position after each of them.
fn page(found: &[Scanned], least: Option<&ScanPosition>) -> Result<Page, LakeError> {
    type Value = fn(&Document) -> &str;
    let columns: [(&str, Value); 6] = [
        ("_id", |document| &document.id),
        ("id", |document| &document.id),
        ("service", |document| &document.service),
        ("message", |document| &document.message),
        ("created", |document| &document.created),
        ("hostname", |document| &document.hostname),
    ];
    let fields: Vec<_> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let arrays = columns.iter().map(|(_, field)| {
        let values = found.iter().map(|scanned| field(&scanned.document));
        Arc::new(StringArray::from_iter_values(values)) as ArrayRef
    });
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect())?;
    let ends = found.iter().map(|scanned| {
        let end = least.unwrap_or(&scanned.position);
        Some(Position(serde_json::json!({ "row": end.row, "_id": end.id })))
    });
    Ok(Page { rows, ends: ends.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lookback_is_an_hour_of_the_time_in_the_id() {
        // 0x0188e2cf7b3e ms.
        let id = "0188e2cf-7b3e-7f4c-9a4d-0123456789ab";
        let ms = 0x0188_e2cf_7b3e_u64 - 3_600_000;
        assert_eq!(earlier(id), format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff));
        assert!(earlier(id).as_str() < id);
        assert_eq!(earlier("a-name"), "a-name");
        assert_eq!(earlier("00000000-0000-7f4c-9a4d-0123456789ab"), "00000000-0000");
    }
}
