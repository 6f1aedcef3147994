//! The formats of reports.

use octet_zipkin::read::{self, Entry, Intern};

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

    pub(super) fn next_entry(&mut self, texts: &mut impl Intern) -> Option<Entry> {
        match self {
            Self::Zipkin(reader) => reader.next_entry(texts),
            Self::ZipkinProto(reader) => reader.next_entry(texts),
            Self::Otlp(reader) => reader.next_entry(texts),
            Self::OtlpJson(reader) => reader.next_entry(texts),
        }
    }
}
