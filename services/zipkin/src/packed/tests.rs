use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    Batch,
    read::{Copies, Entry, Reader},
};

fn labels() -> impl Strategy<Value = Option<Text>> {
    option::of("[a-zé.-]{1,200}".prop_map(|text| text.to_lowercase().into()))
}

fn endpoints() -> impl Strategy<Value = Option<Endpoint>> {
    (labels(), option::of(any::<[u8; 4]>()), option::of(any::<[u8; 16]>()), any::<u16>()).prop_map(
        |(service, ipv4, ipv6, port)| {
            let ipv6 = ipv6.map(std::net::Ipv6Addr::from).filter(|ip| ip.to_ipv4_mapped().is_none());
            let endpoint = Endpoint { service, ipv4: ipv4.map(Into::into), ipv6, port };
            (endpoint != Endpoint::default()).then_some(endpoint)
        },
    )
}

fn texts_of() -> impl Strategy<Value = Text> {
    prop_oneof![
        Just("error".into()),
        Just("error.type".into()),
        Just("db.system".into()),
        "\\PC{0,150}".prop_map(Text::from),
    ]
}

prop_compose! {
    fn spans()(
        ids in (any::<(bool, u64)>(), 1_u64.., 1_u64.., any::<u64>()),
        kind in prop::sample::select(vec![
            None, Some(Kind::Client), Some(Kind::Server), Some(Kind::Producer), Some(Kind::Consumer),
        ]),
        times in (0..=i64::MAX.unsigned_abs(), 0..=i64::MAX.unsigned_abs()),
        name in labels(),
        local in endpoints(),
        remote in endpoints(),
        annotations in vec((0..=i64::MAX.unsigned_abs(), texts_of()), 0..3),
        tags in prop::collection::btree_map(texts_of(), texts_of(), 0..9),
        debug in option::of(any::<bool>()),
        shared in option::of(any::<bool>()),
    ) -> Span {
        let ((is_long, high), low, id, parent) = ids;
        let id = SpanId::from_number(id).expect("above zero");
        Span {
            trace_id: TraceId::from_halves(if is_long { high } else { 0 }, low).expect("above zero"),
            id,
            parent_id: SpanId::from_number(parent).filter(|parent| *parent != id),
            kind,
            name,
            timestamp: times.0,
            duration: times.1,
            local,
            remote,
            annotations: annotations.into_iter().map(|(timestamp, value)| Annotation { timestamp, value }).collect(),
            tags: tags.into_iter().collect(),
            debug,
            shared: shared.filter(|shared| !(*shared && kind == Some(Kind::Client))),
        }
    }
}

proptest! {
    #[test]
    fn a_packed_span_is_the_same_and_so_is_its_summary(span in spans()) {
        let mut bytes = Vec::new();
        span.pack(&mut bytes);
        let unpacked = Span::unpack(&bytes, &mut Copies);
        prop_assert_eq!(unpacked.as_ref(), Some(&span));

        let summary = Summary::of(&bytes).expect("a span");
        prop_assert_eq!((summary.trace_id, summary.id, summary.parent_id), (span.trace_id, span.id, span.parent_id));
        prop_assert_eq!((summary.kind, summary.timestamp, summary.duration), (span.kind, span.timestamp, span.duration));
        prop_assert_eq!(summary.name.as_deref(), span.name.as_deref());
        prop_assert_eq!(summary.service.as_deref(), span.service().map(|name| &**name));
        prop_assert_eq!(summary.remote_service.as_deref(), span.remote_service().map(|name| &**name));
        prop_assert_eq!((summary.is_debug, summary.is_shared), (span.debug == Some(true), span.shared == Some(true)));
        prop_assert_eq!(summary.reading, span.reading());
        prop_assert_eq!(summary.annotations, span.annotations.len());
        let mut count = (0, 0);
        let mut copy = span.clone();
        copy.texts_mut().for_each(|text| count = (count.0 + 1, count.1 + text.len()));
        prop_assert_eq!(summary.texts, count);
    }

    #[test]
    fn a_report_in_json_is_packed_as_the_spans_that_are_read_from_it(list in vec(spans(), 0..3)) {
        let report = serde_json::to_vec(&list).expect("spans have a JSON form");
        let mut reader = Reader::new(&report);
        for span in Batch::read(&report).spans {
            let (mut packed, mut expected) = (Vec::new(), Vec::new());
            let Some(Entry::Span(summary)) = reader.next_packed(&mut packed) else { panic!("a span") };
            span.pack(&mut expected);
            prop_assert_eq!(&packed, &expected);
            let expected = Summary::of(&packed).expect("a span");
            if let Some(summary) = summary {
                prop_assert_eq!(Summary { bytes: &packed, ..summary }, expected);
            }
        }
        prop_assert_eq!(reader.next_packed(&mut Vec::new()), None);
    }

    /// What is accepted in one form is accepted in the other: a span that is kept can be read.
    #[test]
    fn a_summary_exists_for_what_can_be_read(span in spans(), cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let mut bytes = Vec::new();
        span.pack(&mut bytes);
        for (index, byte) in cuts {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        prop_assert_eq!(Summary::of(&bytes).is_some(), Span::unpack(&bytes, &mut Copies).is_some());
    }
}
