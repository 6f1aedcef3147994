use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::Batch;

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
}

fn number(out: &mut Vec<u8>, field: u64, number: u64) {
    varint(out, field << 3);
    varint(out, number);
}

fn fixed(out: &mut Vec<u8>, field: u64, number: u64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&number.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn endpoint_of(endpoint: &Endpoint) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, endpoint.service.as_deref().unwrap_or_default().as_bytes());
    bytes(&mut out, 2, &endpoint.ipv4.map(|address| address.octets().to_vec()).unwrap_or_default());
    bytes(&mut out, 3, &endpoint.ipv6.map(|address| address.octets().to_vec()).unwrap_or_default());
    number(&mut out, 4, endpoint.port.into());
    out
}

/// An encoder by the field numbers of zipkin.proto.
fn encoded(span: &Span) -> Vec<u8> {
    let mut out = Vec::new();
    let id = |digits: String| u128::from_str_radix(&digits, 16).unwrap();
    let trace = id(span.trace_id.to_string()).to_be_bytes();
    bytes(&mut out, 1, if span.trace_id.is_short() { &trace[8..] } else { &trace });
    if let Some(parent) = span.parent_id {
        bytes(&mut out, 2, &parent.number().to_be_bytes());
    }
    bytes(&mut out, 3, &span.id.number().to_be_bytes());
    let kinds = [Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer];
    let kind = span.kind.map_or(0, |kind| 1 + kinds.iter().position(|known| *known == kind).unwrap());
    number(&mut out, 4, kind as u64);
    bytes(&mut out, 5, span.name.as_deref().unwrap_or_default().as_bytes());
    fixed(&mut out, 6, span.timestamp);
    number(&mut out, 7, span.duration);
    for (field, endpoint) in [(8, &span.local), (9, &span.remote)] {
        if let Some(endpoint) = endpoint {
            bytes(&mut out, field, &endpoint_of(endpoint));
        }
    }
    for annotation in &span.annotations {
        let mut entry = Vec::new();
        fixed(&mut entry, 1, annotation.timestamp);
        bytes(&mut entry, 2, annotation.value.as_bytes());
        bytes(&mut out, 10, &entry);
    }
    for (key, value) in &span.tags {
        let mut entry = Vec::new();
        bytes(&mut entry, 1, key.as_bytes());
        bytes(&mut entry, 2, value.as_bytes());
        bytes(&mut out, 11, &entry);
    }
    number(&mut out, 12, span.debug.unwrap_or_default().into());
    number(&mut out, 13, span.shared.unwrap_or_default().into());
    out
}

fn report(spans: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for span in spans {
        bytes(&mut out, 1, span);
    }
    out
}

struct Copies;

impl Intern for Copies {
    fn intern(&mut self, text: &str) -> Text {
        text.into()
    }
}

fn read_all(report: &[u8]) -> Batch {
    let mut batch = Batch::default();
    let mut reader = ProtoReader::new(report);
    while let Some(entry) = reader.next_entry(&mut Copies) {
        match entry {
            Entry::Span(span) => batch.spans.push(span),
            Entry::Malformed(malformed) => batch.add_malformed(malformed),
            Entry::Broken(broken) => batch.broken = Some(broken),
            Entry::Nothing => {}
        }
    }
    batch
}

#[test]
fn a_malformed_span_is_reported_with_its_position_and_others_are_read() {
    let good = encoded(&Batch::read(br#"[{"traceId":"a","id":"b"}]"#).spans[0]);
    let mut short = Vec::new();
    bytes(&mut short, 1, &[1; 7]);
    let mut no_id = Vec::new();
    bytes(&mut no_id, 1, &[1; 16]);
    let mut text = good.clone();
    bytes(&mut text, 5, &[0xff]);
    let mut kind = good.clone();
    number(&mut kind, 4, 5);
    let mut port = good.clone();
    bytes(&mut port, 8, &{
        let mut endpoint = Vec::new();
        number(&mut endpoint, 4, 65_536);
        endpoint
    });
    let mut cut = good.clone();
    cut.extend_from_slice(&[0x2a, 9]);
    let mut wrong = good.clone();
    number(&mut wrong, 5, 1);
    let mut large = good.clone();
    bytes(&mut large, 5, &vec![b'a'; MAX_SPAN]);
    let faulty = [
        (short, "traceId"),
        (no_id, "id"),
        (text, "name"),
        (kind, "kind"),
        (port, "localEndpoint.port"),
        (cut, ""),
        (wrong, "name"),
        (large, ""),
    ];
    for (span, field) in faulty {
        let report = report(&[good.clone(), span.clone(), good.clone()]);
        let batch = read_all(&report);
        assert_eq!((batch.spans.len(), batch.malformed_count, batch.broken), (2, 1, None), "{field}");
        let malformed = &batch.malformed[0];
        assert_eq!((malformed.index, malformed.field.as_str()), (1, field), "{}", malformed.problem);
        assert!(report[malformed.offset..].starts_with(&span));
    }
    let mut broken = report(&[good]);
    let offset = broken.len();
    broken.extend_from_slice(&[0x0a, 9, 1]);
    let batch = read_all(&broken);
    assert_eq!((batch.spans.len(), batch.broken.map(|broken| broken.offset)), (1, Some(offset)));
}

fn endpoints() -> impl Strategy<Value = Option<Endpoint>> {
    let parts =
        (option::of("[a-z]{1,8}"), option::of(any::<[u8; 4]>()), option::of(any::<[u8; 16]>()), any::<u16>());
    parts.prop_map(|(service, ipv4, ipv6, port)| {
        let endpoint = Endpoint {
            service: service.map(Into::into),
            ipv4: ipv4.map(Into::into),
            ipv6: ipv6.map(Into::into).filter(|ip: &std::net::Ipv6Addr| ip.to_ipv4_mapped().is_none()),
            port,
        };
        (endpoint != Endpoint::default()).then_some(endpoint)
    })
}

prop_compose! {
    fn spans()(
        ids in (any::<u64>(), 1_u64.., 1_u64.., option::of(1_u64..)),
        kind in 0..5_usize,
        name in option::of("[a-z /]{1,9}"),
        times in (0..=u64::MAX / 2, 0..=u64::MAX / 2),
        local in endpoints(),
        remote in endpoints(),
        annotations in vec((0..=u64::MAX / 2, ".{0,9}"), 0..4),
        tags in proptest::collection::btree_map(".{0,5}", ".{0,9}", 0..6),
        flags in any::<(bool, bool)>(),
    ) -> Span {
        let (high, low, id, parent) = ids;
        let kind = [None, Some(Kind::Client), Some(Kind::Server), Some(Kind::Producer), Some(Kind::Consumer)][kind];
        Span {
            trace_id: TraceId::from_halves(high, low).unwrap(),
            id: SpanId::from_number(id).unwrap(),
            parent_id: parent.filter(|parent| *parent != id).and_then(SpanId::from_number),
            kind,
            name: name.map(Into::into),
            timestamp: times.0,
            duration: times.1,
            local,
            remote,
            annotations: annotations.into_iter().map(|(timestamp, value)| Annotation { timestamp, value: value.into() }).collect(),
            tags: tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            debug: flags.0.then_some(true),
            shared: (flags.1 && kind != Some(Kind::Client)).then_some(true),
        }
    }
}

proptest! {
    #[test]
    fn any_span_is_read_as_it_was_written(spans in vec(spans(), 0..4)) {
        let batch = read_all(&report(&spans.iter().map(encoded).collect::<Vec<_>>()));
        prop_assert!(batch.is_whole(), "{:?}", batch);
        prop_assert_eq!(batch.spans, spans);
    }

    #[test]
    fn no_input_causes_a_panic(span in spans(), cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
        let mut report = report(&[encoded(&span)]);
        for (at, byte) in cuts {
            let at = at.index(report.len());
            report[at] = byte;
        }
        read_all(&report);
    }
}
