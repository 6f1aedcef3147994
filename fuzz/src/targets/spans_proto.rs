//! A report in Zipkin's protobuf, as a client sends it to the collector.

use octet_collector::store::Format;

use super::spans::stored;

pub(crate) fn run(bytes: &[u8]) {
    stored(Format::ZipkinProto, bytes);
}
