//! The three encodings of a span say the same, as the collector reads them.

use octet_otlp::ProtoReader as OtlpReader;
use octet_wire::put;
use octet_zipkin::{
    Batch, Span, Text,
    read::{Copies, Entry, ProtoReader},
};
use proptest::{collection::vec, prelude::*};

use super::{super::samples::samples, *};
use crate::telemetry::otlp;

fn read(mut next: impl FnMut() -> Option<Entry>) -> Vec<Span> {
    let mut spans = Vec::new();
    while let Some(entry) = next() {
        match entry {
            Entry::Span(span) => spans.push(span),
            Entry::Nothing => {}
            other => panic!("{other:?}"),
        }
    }
    spans
}

/// What OTLP has of a span in the form of Zipkin's; the collector takes its endpoints from other attributes.
fn common(span: &Span) -> Span {
    let is_status = |key: &Text| matches!(&**key, "otel.status_code" | "otel.status_description" | "error");
    let tags = span.tags.iter().filter(|(key, _)| !is_status(key) && !key.starts_with("otel."));
    Span {
        local: None,
        remote: None,
        debug: None,
        annotations: Box::default(),
        duration: 0,
        tags: tags.cloned().collect(),
        ..span.clone()
    }
}

proptest! {
    #[test]
    fn protobuf_json_and_otlp_say_the_same(samples in vec(samples(), 1..4), tag in "[a-z]{0,200}") {
        let local = "127.0.0.1:50051".parse().ok();
        let encoder = Encoder::new("service-x", local, &[("zone".to_owned(), tag.clone())]);
        let (mut proto, mut scope) = (Vec::new(), Vec::new());
        for sample in &samples {
            sample.encode(|shape| encoder.shape(shape), |span| encode::span(&mut proto, span));
            sample.encode(otlp::shape, |span| otlp::span(&mut scope, span));
        }
        let mut reader = ProtoReader::new(&proto);
        let spans = read(|| reader.next_entry(&mut Copies));
        prop_assert_eq!(spans.len(), samples.len());

        let json = json::list(&proto).expect("what was encoded");
        let batch = Batch::read(&json);
        prop_assert!(batch.is_whole(), "{:?}", batch);
        prop_assert_eq!(&batch.spans, &spans);

        // The collector's reader of OTLP has rules of its own for endpoints and errors.
        let mut request = Vec::new();
        put::message::<2>(&mut request, 1, |out| put::message::<2>(out, 2, |out| out.extend_from_slice(&scope)));
        let mut reader = OtlpReader::new(&request);
        let from_otlp = read(|| reader.next_entry(&mut Copies));
        let expected: Vec<Span> = spans.iter().map(|span| {
            let tags = span.tags.iter().filter(|(key, _)| &**key != "zone").cloned().collect();
            common(&Span { tags, ..span.clone() })
        }).collect();
        prop_assert_eq!(from_otlp.iter().map(common).collect::<Vec<_>>(), expected);
        for (span, from_otlp) in spans.iter().zip(&from_otlp) {
            prop_assert_eq!(span.is_error(), from_otlp.is_error());
            prop_assert_eq!(span.annotations.len(), from_otlp.annotations.len());
        }
    }
}
