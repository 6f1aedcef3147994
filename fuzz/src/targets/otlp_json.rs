//! A report in OTLP's JSON, as a client sends it to the collector.

use octet_collector::store::Format;

use super::spans::stored;

pub(crate) fn run(bytes: &[u8]) {
    stored(Format::OtlpJson, bytes);
}
