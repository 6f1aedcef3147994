//! OpenTelemetry's own conversion is the reference.

use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::*;
use crate::telemetry::samples::{Sample, samples};

proptest! {
    #[test]
    fn spans_are_encoded_as_opentelemetry_encodes_them(samples in vec(samples(), 0..3)) {
        let mut batch = Vec::new();
        for sample in &samples {
            sample.encode(encode::shape, |span| encode::span(&mut batch, span));
        }
        let mut encoded = ScopeSpans::decode(&*batch).expect("a message").spans;
        for span in &mut encoded {
            // Absent and unset are the same.
            span.status.get_or_insert_default();
        }
        let expected: Vec<Span> = samples.iter().map(Sample::data).map(Into::into).collect();
        prop_assert_eq!(encoded, expected);
    }
}
