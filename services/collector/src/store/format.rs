//! The formats of reports.

use octet_zipkin::{
    packed::Summary,
    read::{self, Entry, Intern},
};

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Zipkin's v2 spans in JSON.
    Zipkin,
    /// Zipkin's v2 spans in protobuf.
    ZipkinProto,
    /// Zipkin's v1 spans in JSON.
    ZipkinV1,
    /// OTLP in protobuf.
    Otlp,
    /// OTLP in JSON.
    OtlpJson,
}

/// Reads a report span by span.
#[derive(Debug)]
pub(super) enum Reader<'a> {
    Zipkin(read::Reader<'a>),
    ZipkinProto(read::ProtoReader<'a>),
    Otlp(Box<octet_otlp::ProtoReader<'a>>),
    OtlpJson(Box<octet_otlp::JsonReader<'a>>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(format: Format, bytes: &'a [u8]) -> Self {
        match format {
            Format::Zipkin => Self::Zipkin(read::Reader::new(bytes)),
            Format::ZipkinV1 => Self::Zipkin(read::Reader::v1(bytes)),
            Format::ZipkinProto => Self::ZipkinProto(read::ProtoReader::new(bytes)),
            Format::Otlp => Self::Otlp(Box::new(octet_otlp::ProtoReader::new(bytes))),
            Format::OtlpJson => Self::OtlpJson(Box::new(octet_otlp::JsonReader::new(bytes))),
        }
    }

    /// The next element. A span is a part of the report where that is in its packed form, and else written to `scratch`.
    pub(super) fn next_packed<'s>(
        &mut self,
        texts: &mut impl Intern,
        scratch: &'s mut Vec<u8>,
    ) -> Option<Entry<Summary<'s>>>
    where
        'a: 's,
    {
        scratch.clear();
        let entry = match self {
            Self::ZipkinProto(reader) => return reader.next_packed(),
            Self::Zipkin(reader) => reader.next_packed(scratch)?,
            Self::Otlp(reader) => packed(reader.next_entry(texts)?, scratch),
            Self::OtlpJson(reader) => packed(reader.next_entry(texts)?, scratch),
        };
        let scratch: &[u8] = scratch;
        Some(match entry {
            Entry::Span(Some(summary)) => Entry::Span(Summary { bytes: scratch, ..summary }),
            // What was packed can be read.
            Entry::Span(None) => Summary::of(scratch).map_or(Entry::Nothing, Entry::Span),
            Entry::Malformed(malformed) => Entry::Malformed(malformed),
            Entry::Broken(broken) => Entry::Broken(broken),
            Entry::Nothing => Entry::Nothing,
        })
    }
}

fn packed<'a>(entry: Entry, out: &mut Vec<u8>) -> Entry<Option<Summary<'a>>> {
    match entry {
        Entry::Span(span) => {
            span.pack(out);
            Entry::Span(None)
        }
        Entry::Malformed(malformed) => Entry::Malformed(malformed),
        Entry::Broken(broken) => Entry::Broken(broken),
        Entry::Nothing => Entry::Nothing,
    }
}
