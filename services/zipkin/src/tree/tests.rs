use std::time::{Duration, Instant};

use super::*;
use crate::{Batch, edges::Edges, links::Links};

/// Fewer than the collector accepts in one report.
const TAGS: usize = 50_000;
const SPANS: usize = 15_000;

fn spans(list: &[String]) -> Vec<Span> {
    let batch = Batch::read(format!("[{}]", list.join(",")).as_bytes());
    assert!(batch.is_whole(), "{batch:?}");
    batch.spans
}

fn span(id: usize, rest: &str) -> String {
    format!(
        r#"{{"traceId":"00000000000000aa","id":"{id:016x}","timestamp":1,"localEndpoint":{{"serviceName":"a"}}{rest}}}"#
    )
}

fn many_tags() -> String {
    let tags: Vec<String> = (0..TAGS).map(|tag| format!(r#""f{tag}":"""#)).collect();
    format!(r#","tags":{{{}}}"#, tags.join(","))
}

fn time(spans: &[Span]) -> Duration {
    let started = Instant::now();
    Links::default().add(spans);
    Edges::default().add(spans);
    started.elapsed()
}

/// Checks that `spans` take about as long as `apart`, in which the many tags are another span's: the time grows with
/// the sum of tags and spans. If it grew with their product, it would be at least sixty times as long, on any machine.
fn assert_takes_as_long_as(spans: &[Span], apart: &[Span]) {
    let (together, apart) = (time(spans), time(apart).max(Duration::from_millis(10)));
    assert!(together < apart * 30, "{together:?}, and {apart:?} where the tags are another span's");
}

#[test]
fn joining_a_span_of_many_tags_and_pieces_takes_linear_time() {
    let further = (0..SPANS).map(|piece| span(1, &format!(r#","tags":{{"k{piece}":""}}"#)));
    let pieces: Vec<String> = std::iter::once(span(1, &many_tags())).chain(further.clone()).collect();
    let pieces = spans(&pieces);
    let apart: Vec<String> = std::iter::once(span(2, &many_tags())).chain(further).collect();
    assert_takes_as_long_as(&pieces, &spans(&apart));
    let tree = Tree::new(&pieces);
    let whole: Vec<&Span> = tree.places().map(Place::span).collect();
    assert_eq!((whole.len(), whole[0].tags.len()), (1, TAGS + SPANS));
}

#[test]
fn finding_the_error_of_a_call_with_many_tags_takes_linear_time() {
    let client = |id| span(id, &format!(r#","kind":"CLIENT"{}"#, many_tags()));
    let slim = span(1, r#","kind":"CLIENT""#);
    let servers = (0..SPANS).map(|id| span(id + 2, r#","kind":"SERVER","parentId":"0000000000000001""#));
    let calls: Vec<String> = std::iter::once(client(1)).chain(servers.clone()).collect();
    let apart: Vec<String> = [client(SPANS + 2), slim].into_iter().chain(servers).collect();
    assert_takes_as_long_as(&spans(&calls), &spans(&apart));
}

#[test]
fn the_earliest_value_of_a_tag_takes_precedence() {
    let tags = |tags: &str| span(1, &format!(r#","tags":{{{tags}}}"#));
    let pieces = spans(&[tags(r#""b":"1""#), tags(r#""c":"2","b":"2""#), tags(r#""a":"3","c":"3""#)]);
    let tree = Tree::new(&pieces);
    let whole = tree.places().next().expect("a span").span();
    let found = ["a", "b", "c", "d"].map(|key| whole.tag(key).map(|value| &**value));
    assert_eq!(found, [Some("3"), Some("1"), Some("2"), None]);
    assert!(whole.tags.is_sorted());
}
