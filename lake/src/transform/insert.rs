//! `InsertField`.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{Field, FieldRef};

use super::of;
use crate::{Findings, Keys, sink::OFFSET};

/// The columns to add, by what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InsertField(Vec<(String, Content)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Static(String),
    Topic,
    /// Always 0 here.
    Partition,
    /// Known when the row is written.
    Offset,
    /// When the row was read, as the JDBC source's records have it.
    Timestamp,
}

impl InsertField {
    pub(super) fn take(prefix: &str, keys: &mut Keys, findings: &mut Findings) -> Option<Self> {
        // `!` and `?` after a name say whether the field may be null in Kafka Connect's schema.
        let mut name = |key: &str| {
            let name = keys.take(&format!("{prefix}.{key}"))?;
            Some(name.trim_end_matches(['!', '?']).to_owned()).filter(|name| !name.is_empty())
        };
        let (topic, partition, offset, timestamp, fixed) = (
            name("topic.field"),
            name("partition.field"),
            name("offset.field"),
            name("timestamp.field"),
            name("static.field"),
        );
        let value = keys.take(&format!("{prefix}.static.value"));
        let mut columns = Vec::new();
        for (column, content) in [
            (topic, Content::Topic),
            (partition, Content::Partition),
            (offset, Content::Offset),
            (timestamp, Content::Timestamp),
        ] {
            columns.extend(column.map(|column| (column, content)));
        }
        match (fixed, value) {
            (Some(column), Some(value)) => columns.push((column, Content::Static(value))),
            (Some(column), None) => findings.errors.push(format!(
                "{}: {prefix}.static.value is missing, the value of {prefix}.static.field={column}",
                keys.connector
            )),
            (None, _) => {}
        }
        if columns.is_empty() {
            findings.warnings.push(format!("{}: {prefix} inserts nothing", keys.connector));
            return None;
        }
        Some(Self(columns))
    }

    pub(super) fn apply(&self, topic: &str, rows: &RecordBatch) -> Result<RecordBatch, String> {
        let schema = rows.schema();
        let (mut fields, mut columns) = (schema.fields().to_vec(), rows.columns().to_vec());
        let count = rows.num_rows();
        for (name, content) in &self.0 {
            if fields.iter().any(|field| field.name() == name) {
                return Err(format!("there is a column {name} already"));
            }
            let column: ArrayRef = match content {
                Content::Static(value) => {
                    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, count)))
                }
                Content::Topic => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(topic, count))),
                Content::Partition => Arc::new(Int32Array::from_value(0, count)),
                Content::Offset => Arc::new(Int64Array::from_value(0, count)),
                Content::Timestamp => {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
                    let now = i64::try_from(now).unwrap_or(i64::MAX);
                    Arc::new(TimestampMicrosecondArray::from_value(now, count).with_timezone("+00:00"))
                }
            };
            let mut field = Field::new(name, column.data_type().clone(), true);
            if *content == Content::Offset {
                let (key, value) = OFFSET;
                field.set_metadata(HashMap::from([(key.to_owned(), value.to_owned())]));
            }
            fields.push(FieldRef::new(field));
            columns.push(column);
        }
        of(fields, columns, count).map_err(|error| error.to_string())
    }
}
