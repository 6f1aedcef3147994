//! The lookback, the sweep, and the position after each document.

use super::*;

#[test]
fn the_lookback_is_an_hour_of_the_time_in_the_id() {
    // 0x0188e2cf7b3e ms.
    let id = "0188e2cf-7b3e-7f4c-9a4d-0123456789ab";
    let ms = 0x0188_e2cf_7b3e_u64 - 3_600_000;
    let earlier = |id| earlier(id, LOOKBACK_MS);
    assert_eq!(earlier(id), format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff));
    assert!(earlier(id).as_str() < id);
    assert_eq!(earlier("a-name"), "a-name");
    assert_eq!(earlier("00000000-0000-7f4c-9a4d-0123456789ab"), "00000000-0000");
}

/// Documents by id, as `MongoDB` has them.
#[derive(Default)]
struct ById(std::sync::Mutex<std::collections::BTreeMap<String, Document>>);

impl ById {
    fn insert(&self, ms: u64, number: u64) {
        let id = format!("{:08x}-{:04x}-7000-8000-{number:012x}", ms >> 16, ms & 0xffff);
        let text = String::new;
        let document =
            Document { id: id.clone(), service: text(), message: text(), created: text(), hostname: text() };
        self.0.lock().expect("a lock").insert(id, document);
    }
}

#[async_trait]
impl StoreScan for ById {
    fn order(&self) -> ScanOrder {
        ScanOrder::Id
    }

    async fn after(&self, position: Option<&ScanPosition>, limit: u32) -> Result<Vec<Scanned>, InspectError> {
        let documents = self.0.lock().expect("a lock");
        let after = position.map(|position| position.id.clone()).unwrap_or_default();
        let found = documents.values().filter(|document| document.id > after).take(limit as usize);
        let scanned = found.map(|document| Scanned {
            position: ScanPosition { row: 0, id: document.id.clone() },
            document: document.clone(),
        });
        Ok(scanned.collect())
    }
}

#[derive(Default)]
struct Taken(Vec<Option<Position>>);

#[async_trait]
impl Pages for Taken {
    async fn take(&mut self, page: Page) -> Result<(), LakeError> {
        self.0.extend(page.ends);
        Ok(())
    }

    async fn reject(&mut self, _: crate::BadRow) -> Result<(), LakeError> {
        Ok(())
    }

    fn skipped(&mut self, _: &'static str, _: u64) {}
}

/// Reads, and returns the position after each document.
async fn read(source: &mut StoresSource, position: Option<&Position>) -> Vec<Position> {
    let mut taken = Taken::default();
    source.read("t", position, &mut taken).await.expect("documents");
    taken.0.into_iter().flatten().collect()
}

const NOW: u64 = 1_772_600_767_089;
const HOUR: u64 = LOOKBACK_MS;

#[tokio::test]
async fn the_position_is_never_after_a_document_that_comes_later() {
    let documents = Arc::new(ById::default());
    (0..2_500).for_each(|number| documents.insert(NOW - 2 * HOUR + number, number));
    let mut source = StoresSource::new("s", vec![("t".to_owned(), documents.clone())]);
    let ends = read(&mut source, None).await;
    assert_eq!(ends.len(), 2_500);
    // As after a crash behind the 10th document, of which all are within an hour: the rest comes.
    let mut again = StoresSource::new("s", vec![("t".to_owned(), documents.clone())]);
    assert_eq!(read(&mut again, Some(&ends[9])).await.len(), 2_500);
    // A late one does not move it back.
    documents.insert(NOW - 2 * HOUR - 1, 9_999);
    assert_eq!(read(&mut source, ends.last()).await, [ends[2_499].clone()]);
}

#[tokio::test(start_paused = true)]
async fn the_nightly_sweep_reads_what_was_inserted_more_than_an_hour_late_and_nothing_twice() {
    let documents = Arc::new(ById::default());
    (0..50).for_each(|number| documents.insert(NOW + number * 1_000, number));
    let mut source = StoresSource::new("s", vec![("t".to_owned(), documents.clone())]);
    let ends = read(&mut source, None).await;
    let last = ends.last();
    documents.insert(NOW - 5 * HOUR, 777);
    assert_eq!(read(&mut source, last).await.len(), 0);
    tokio::time::advance(SWEEPS).await;
    assert_eq!(read(&mut source, last).await, [ends[49].clone()]);
    tokio::time::advance(SWEEPS).await;
    assert_eq!(read(&mut source, last).await.len(), 0);
}

#[tokio::test]
async fn documents_that_were_not_committed_are_read_again() {
    let documents = Arc::new(ById::default());
    (0..3).for_each(|number| documents.insert(NOW + number, number));
    let mut source = StoresSource::new("s", vec![("t".to_owned(), documents.clone())]);
    let ends = read(&mut source, None).await;
    assert_eq!(read(&mut source, Some(&ends[0])).await.len(), 0);
    // The commit behind the first one failed.
    source.rewind("t");
    assert_eq!(read(&mut source, Some(&ends[0])).await.len(), 3);
}
