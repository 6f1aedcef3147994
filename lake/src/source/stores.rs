//! Octet's own document stores, through the port `StoreScan`.

mod address;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use async_trait::async_trait;
use octet_backends::{
    inspect::InspectError,
    scan::{ScanOrder, ScanPosition, Scanned, StoreScan},
    store::Document,
};

pub(crate) use address::{StoreAddress, StoresOptions};
use tokio::time::Instant;

use super::{Pages, Source};
use crate::{LakeError, Page, Position, inspect::Keyed};

/// Documents in a page.
const PAGE: u32 = 1_000;

/// How much later than its id says a document may be inserted, where the order is that of ids.
const LOOKBACK_MS: u64 = 60 * 60 * 1_000;

/// How much later a sweep still finds it.
const SWEEP_MS: u64 = 25 * LOOKBACK_MS;

/// Between two sweeps.
const SWEEPS: Duration = Duration::from_hours(24);

/// Ids that are kept, so that a sweep does not read their documents again. With more, it begins later.
const MAX_SEEN: usize = 500_000;

/// Stores, each a topic.
pub struct StoresSource {
    name: String,
    stores: Vec<Store>,
    /// Stores that are opened with the first poll.
    unopened: Vec<StoreAddress>,
}

struct Store {
    topic: String,
    scan: Arc<dyn StoreScan>,
    /// Ids that were read, where the order is that of ids.
    seen: BTreeSet<String>,
    swept: Instant,
}

impl Store {
    fn new(topic: String, scan: Arc<dyn StoreScan>) -> Self {
        Self { topic, scan, seen: BTreeSet::new(), swept: Instant::now() }
    }
}

impl StoresSource {
    /// Reads each of these collections as the topic beside it.
    pub fn new(name: &str, stores: Vec<(String, Arc<dyn StoreScan>)>) -> Self {
        let stores = stores.into_iter().map(|(topic, scan)| Store::new(topic, scan));
        Self { name: name.to_owned(), stores: stores.collect(), unopened: Vec::new() }
    }

    /// Opens these with the first poll.
    pub(crate) fn unopened(name: &str, stores: Vec<StoreAddress>) -> Self {
        Self { name: name.to_owned(), stores: Vec::new(), unopened: stores }
    }
}

#[async_trait]
impl Source for StoresSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn topics(&mut self) -> Result<Vec<String>, LakeError> {
        while let Some(address) = self.unopened.last() {
            let scan = address.open().await?;
            self.stores.push(Store::new(address.topic.clone(), scan));
            self.unopened.pop();
        }
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

    async fn remove_known(
        &mut self,
        topic: &str,
        columns: &[String],
        keys: &mut BTreeSet<Keyed>,
    ) -> Result<(), LakeError> {
        if !matches!(columns, [column] if column == "_id" || column == "id") {
            return Err(LakeError::Refused("the key of a store's documents is _id".to_owned()));
        }
        let store = self.stores.iter().find(|store| store.topic == topic);
        let store = store.ok_or_else(|| LakeError::Refused("there is no such store".to_owned()))?;
        let mut last: Option<ScanPosition> = None;
        loop {
            let found = match store.scan.after(last.as_ref(), PAGE).await {
                Ok(found) => found,
                Err(error) => return store.absent_or(error, false).await,
            };
            let Some(end) = found.last() else { return Ok(()) };
            last = Some(end.position.clone());
            for scanned in found {
                keys.remove(&vec![Some(scanned.document.id)]);
            }
        }
    }

    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    fn rewind(&mut self, topic: &str) {
        for store in self.stores.iter_mut().filter(|store| store.topic == topic) {
            store.seen.clear();
        }
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
        let is_sweep = self.swept.elapsed() >= SWEEPS;
        let lookback = if is_sweep { SWEEP_MS } else { LOOKBACK_MS };
        let from = last.as_ref().map(|last| ScanPosition { row: 0, id: self.start(&last.id, lookback) });
        let mut from = from;
        loop {
            let found = match self.scan.after(from.as_ref(), PAGE).await {
                Ok(found) => found,
                Err(error) => return self.absent_or(error, false).await,
            };
            let Some(end) = found.last() else { break };
            from = Some(end.position.clone());
            let fresh: Vec<Scanned> =
                found.into_iter().filter(|scanned| !self.seen.contains(&scanned.position.id)).collect();
            let ids: Vec<String> = fresh.iter().map(|scanned| scanned.position.id.clone()).collect();
            if !fresh.is_empty() {
                pages.take(page(&fresh, last.as_ref())?).await?;
            }
            self.seen.extend(ids);
        }
        if is_sweep {
            self.swept = Instant::now();
        }
        self.forget();
        Ok(())
    }

    /// Where reading begins. A sweep begins where it knows what was read.
    fn start(&self, last: &str, lookback: u64) -> String {
        let start = earlier(last, lookback);
        match self.seen.first() {
            Some(first) if lookback == SWEEP_MS && self.seen.len() >= MAX_SEEN => start.max(first.clone()),
            _ => start,
        }
    }

    /// Drops the ids before the next sweep, and those that are too many.
    fn forget(&mut self) {
        let Some(newest) = self.seen.last() else { return };
        let start = earlier(newest, SWEEP_MS);
        self.seen = self.seen.split_off(&start);
        while self.seen.len() > MAX_SEEN {
            self.seen.pop_first();
        }
    }
}

/// The smallest id of a lookback before this one, if it is a UUID with a time (version 7); otherwise itself.
fn earlier(id: &str, lookback: u64) -> String {
    let time = (id.len() == 36 && id.as_bytes().get(14) == Some(&b'7')).then(|| id.get(..13)).flatten();
    let ms = time.and_then(|time| u64::from_str_radix(&time.replace('-', ""), 16).ok());
    let Some(ms) = ms.map(|ms| ms.saturating_sub(lookback)) else { return id.to_owned() };
    format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff)
}

fn scan_position(position: &Position) -> Result<ScanPosition, LakeError> {
    let value = &position.0;
    let row = value.get("row").and_then(serde_json::Value::as_i64);
    let id = value.get("_id").and_then(serde_json::Value::as_str);
    let position = row.zip(id).map(|(row, id)| ScanPosition { row, id: id.to_owned() });
    position.ok_or_else(|| LakeError::Refused("the position in the lake is of another source".to_owned()))
}

/// A page of documents as they are stored: `_id`, a copy of it, and the greeting's other fields. The position after
/// a document is its own, and never before `least`: a late document must not move it back.
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
        let own = &scanned.position;
        let end = least.filter(|least| least.id > own.id).unwrap_or(own);
        Some(Position(serde_json::json!({ "row": end.row, "_id": end.id })))
    });
    Ok(Page { rows, ends: ends.collect() })
}

#[cfg(test)]
mod tests;
