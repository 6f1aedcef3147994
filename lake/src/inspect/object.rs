//! Reading objects back, as rows of the topic's columns.

use std::{io::Read, path::Path, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, StringArray, cast::AsArray, new_null_array,
};
use arrow_cast::cast;
use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{
    LakeError,
    sink::conform,
    store::{Layout, TopicState},
};

/// Reads the objects of one topic.
pub(super) struct Reader {
    /// The columns to read, as the topic has them now.
    pub(super) schema: SchemaRef,
    layout: Layout,
}

/// The offset in an object's name.
pub(super) fn offset(key: &str) -> Option<u64> {
    let name = key.rsplit('/').next()?;
    let stem = name.split_once('.').map_or(name, |_| {
        // Topics may have dots; extensions have none before them.
        let end = [".json", ".json.gz", ".parquet"].iter().filter_map(|extension| name.find(extension)).min();
        end.and_then(|end| name.get(..end)).unwrap_or(name)
    });
    let stem = [".gz", ".snappy", ".zstd"].iter().find_map(|codec| stem.strip_suffix(codec)).unwrap_or(stem);
    let digits = stem.len() - stem.bytes().rev().take_while(u8::is_ascii_digit).count();
    stem.get(digits..)?.parse().ok()
}

impl Reader {
    /// Reads `columns`, or all.
    pub(super) fn new(state: &TopicState, columns: Option<&[String]>) -> Result<Self, LakeError> {
        let all = state.schema()?;
        let schema = match columns {
            None => all,
            Some(columns) => {
                let fields = columns.iter().map(|column| {
                    all.field_with_name(column).cloned().map_err(|_| {
                        let names: Vec<_> = all.fields().iter().map(|field| field.name().as_str()).collect();
                        LakeError::Refused(format!("there is no column {column}, only {}", names.join(", ")))
                    })
                });
                Schema::new(fields.collect::<Result<Vec<_>, _>>()?)
            }
        };
        Ok(Self { schema: Arc::new(schema), layout: state.layout.clone() })
    }

    /// The rows of an object. Blocks.
    pub(super) fn read(&self, key: &str, content: Bytes) -> Result<Vec<RecordBatch>, LakeError> {
        let batches = if has_extension(key, "parquet") {
            self.parquet(content)?
        } else if has_extension(key, "gz") {
            let mut lines = Vec::new();
            MultiGzDecoder::new(&*content).read_to_end(&mut lines)?;
            self.json(&lines)?
        } else {
            self.json(&content)?
        };
        batches.iter().map(|batch| self.complete(key, batch)).collect()
    }

    /// Rows in an object. Blocks.
    pub(super) fn count(key: &str, content: Bytes) -> Result<u64, LakeError> {
        if has_extension(key, "parquet") {
            let rows =
                ParquetRecordBatchReaderBuilder::try_new(content)?.metadata().file_metadata().num_rows();
            return Ok(u64::try_from(rows).unwrap_or(0));
        }
        let mut lines = Vec::new();
        if has_extension(key, "gz") {
            MultiGzDecoder::new(&*content).read_to_end(&mut lines)?;
        } else {
            lines = content.into();
        }
        if lines.last().is_some_and(|byte| *byte != b'\n') {
            return Err(LakeError::Refused("the object ends in the middle of a line".to_owned()));
        }
        Ok(lines.split_inclusive(|byte| *byte == b'\n').count() as u64)
    }

    fn parquet(&self, content: Bytes) -> Result<Vec<RecordBatch>, LakeError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(content)?;
        let names = self.schema.fields().iter().map(|field| field.name().as_str());
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        let reader = builder.with_projection(mask).with_batch_size(8_192).build()?;
        Ok(reader.collect::<Result<Vec<_>, _>>()?)
    }

    fn json(&self, lines: &[u8]) -> Result<Vec<RecordBatch>, LakeError> {
        let fields = self.schema.fields().iter().filter(|field| !self.layout.in_names.contains(field.name()));
        let fields: Vec<_> =
            fields.map(|field| Field::new(field.name(), self.json_type(field.data_type()), true)).collect();
        let reader = ReaderBuilder::new(Arc::new(Schema::new(fields))).build(lines)?;
        reader.map(|batch| self.typed(&batch?)).collect()
    }

    /// What a column is in JSON.
    fn json_type(&self, data_type: &DataType) -> DataType {
        match data_type {
            DataType::Timestamp(..) | DataType::Time64(_) | DataType::Date32 if self.layout.epoch_times => {
                DataType::Int64
            }
            DataType::Binary => DataType::Utf8,
            other => other.clone(),
        }
    }

    /// Turns what JSON has into the columns' types.
    fn typed(&self, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let target = self.schema.field_with_name(field.name())?.data_type();
            let column: ArrayRef = match target {
                DataType::Timestamp(_, zone) if self.layout.epoch_times => {
                    cast(column, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?
                }
                DataType::Time64(_) if self.layout.epoch_times => {
                    cast(&cast(column, &DataType::Int32)?, &DataType::Time32(TimeUnit::Millisecond))?
                }
                DataType::Date32 if self.layout.epoch_times => {
                    cast(&cast(column, &DataType::Int32)?, &DataType::Date32)?
                }
                DataType::Binary => Arc::new(from_base64(column.as_string::<i32>())?),
                _ => column.clone(),
            };
            fields.push(Field::new(field.name(), column.data_type().clone(), true));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }

    /// Adds the columns that are in the object's name, and those that it did not have yet.
    fn complete(&self, key: &str, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        let schema = batch.schema();
        let (mut fields, mut columns) = (schema.fields().to_vec(), batch.columns().to_vec());
        for name in &self.layout.in_names {
            let Ok(field) = self.schema.field_with_name(name) else { continue };
            if batch.column_by_name(name).is_some() {
                continue;
            }
            let value = key.split('/').find_map(|part| part.strip_prefix(name.as_str())?.strip_prefix('='));
            let column: ArrayRef = match value.and_then(crate::sink::unescape) {
                Some(value) => {
                    let texts = StringArray::from_iter_values(std::iter::repeat_n(value, batch.num_rows()));
                    cast(&texts, field.data_type())?
                }
                None => new_null_array(field.data_type(), batch.num_rows()),
            };
            fields.push(Arc::new(field.clone()));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        conform(&batch, &self.schema)
    }
}

fn has_extension(key: &str, extension: &str) -> bool {
    Path::new(key).extension().is_some_and(|found| found == extension)
}

fn from_base64(texts: &StringArray) -> Result<BinaryArray, LakeError> {
    let decoded = texts.iter().map(|text| {
        text.map(|text| STANDARD.decode(text))
            .transpose()
            .map_err(|error| LakeError::Refused(format!("a value of a binary column is not base64: {error}")))
    });
    Ok(decoded.collect::<Result<Vec<_>, LakeError>>()?.iter().map(Option::as_deref).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_from_names() {
        for (key, number) in [
            ("topics/t/partition=0/t+0+0000000100.json", Some(100)),
            ("topics/a.b/c=1.5/a.b+0+0000000007.gz.parquet", Some(7)),
            ("topics/t/x/t-0-12.snappy.parquet", Some(12)),
            ("topics/t/x/t+0+0000000001.json.gz", Some(1)),
            ("topics/t/readme.txt", None),
        ] {
            assert_eq!(offset(key), number, "{key}");
        }
    }
}
