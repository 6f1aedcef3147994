//! A report of spans, as a tracer sends it to the collector.

use octet_collector::store::{CountLinks, Format, Kept, MeasureEdges, Memory, Store, Window, Work};
use octet_zipkin::{Batch, Span, edges::Edges, links::Links};

use crate::checks::short_line;

/// The collector's minimum.
const MEMORY: usize = 1024 * 1024;

pub(crate) fn run(bytes: &[u8]) {
    let batch = Batch::read(bytes);
    for malformed in &batch.malformed {
        assert!(malformed.offset < bytes.len(), "{malformed:?}");
        short_line(&malformed.field);
        short_line(&malformed.problem);
    }
    assert!(batch.malformed.len() <= batch.malformed_count);
    if let Some(broken) = &batch.broken {
        assert!(broken.offset <= bytes.len(), "{broken:?}");
        short_line(&broken.problem);
    }

    // What is returned can be read, and is equal to what was sent.
    let written = serde_json::to_vec(&batch.spans).expect("spans have a JSON form");
    let again = Batch::read(&written);
    assert!(again.is_whole(), "{again:?}");
    assert_eq!(again.spans, batch.spans);

    let (mut links, mut edges) = (Links::default(), Edges::default());
    links.add(&batch.spans);
    edges.add(&batch.spans);
    assert!(links.list().iter().all(|link| link.error_count <= link.call_count));
    assert!(edges.list().iter().all(|edge| edge.errors <= edge.count));
    kept(batch.spans);
}

/// A report in any format is stored within the store's bound, and its errors are described in short lines within it. What
/// is returned can be read.
pub(super) fn stored(format: Format, bytes: &[u8]) {
    let mut store = Store::new(Memory::of(MEMORY));
    let (kept, errors) = store.keep_as(format, bytes);
    for malformed in &errors.malformed {
        assert!(malformed.offset <= bytes.len(), "{malformed:?}");
        short_line(&malformed.field);
        short_line(&malformed.problem);
    }
    if let Some(broken) = &errors.broken {
        assert!(broken.offset <= bytes.len(), "{broken:?}");
        short_line(&broken.problem);
    }
    let usage = store.usage();
    assert!(usage.bytes + usage.count_bytes <= MEMORY || usage.traces <= 1, "{usage:?}");
    assert!(usage.spans as u64 <= kept.stored, "{usage:?} {kept:?}");
    let again = store.keep_as(format, bytes).0;
    assert!(usage.evicted > 0 || again.stored == 0, "{again:?} of a repeated report");
    for span in store.spans() {
        let written = serde_json::to_vec(&[&span]).expect("a span has a JSON form");
        let read = Batch::read(&written);
        assert!(read.is_whole() && read.spans == [span.clone()], "{span:?} {read:?}");
    }
    let everything = Window::new(u64::MAX, u64::MAX);
    assert!(CountLinks::new(everything).run(&mut store).list().is_some());
    MeasureEdges::all(&store).run(&mut store).finish(&store);
}

/// The store returns what it kept, once, and stays within its bound.
fn kept(spans: Vec<Span>) {
    let mut store = Store::new(Memory::of(MEMORY));
    for span in spans {
        let report = serde_json::to_vec(&[&span]).expect("a span has a JSON form");
        let (first, rest) = store.keep(&report);
        assert!(rest.is_whole() && rest.spans.is_empty(), "{rest:?}");
        if first.dropped == 0 {
            let held = store.trace(span.trace_id).iter().filter(|held| **held == span).count();
            assert_eq!(held, 1, "{span:?}");
            let (second, _) = store.keep(&report);
            assert_eq!(second, Kept { duplicate: 1, ..Kept::default() });
        }
        assert!(store.usage().bytes + store.usage().count_bytes <= MEMORY, "{:?}", store.usage());
    }
    let everything = Window::new(u64::MAX, u64::MAX);
    assert!(CountLinks::new(everything).run(&mut store).list().is_some());
    MeasureEdges::all(&store).run(&mut store).finish(&store);
}
