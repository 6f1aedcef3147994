//! Rows to the bytes of an object.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use flate2::{Compression, write::GzEncoder};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};

use super::{json, options::Format};
use crate::LakeError;

/// Encodes rows, all of one schema. Blocks.
pub(crate) fn encode(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    format: Format,
) -> Result<Vec<u8>, LakeError> {
    match format {
        Format::Json { epoch_times, gzip: false } => Ok(json::lines(batches, epoch_times)?),
        Format::Json { epoch_times, gzip: true } => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&json::lines(batches, epoch_times)?)?;
            Ok(encoder.finish()?)
        }
        Format::Parquet(compression) => {
            let properties = WriterProperties::builder().set_compression(compression).build();
            let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
            for batch in batches {
                writer.write(batch)?;
            }
            Ok(writer.into_inner()?)
        }
    }
}
