//! `Cast`.

use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, TimeUnit};

use crate::{Findings, Keys};

/// The new types, by column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cast(BTreeMap<String, DataType>);

const TYPES: [(&str, DataType); 8] = [
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("boolean", DataType::Boolean),
    ("string", DataType::Utf8),
];

impl Cast {
    pub(super) fn take(prefix: &str, keys: &mut Keys, findings: &mut Findings) -> Option<Self> {
        let mut columns = BTreeMap::new();
        for element in keys.list(&format!("{prefix}.spec")) {
            let parsed = element.split_once(':').and_then(|(column, name)| {
                let (_, data_type) = TYPES.iter().find(|(known, _)| *known == name.trim())?;
                Some((column.trim().to_owned(), data_type.clone()))
            });
            match parsed {
                Some((column, data_type)) => {
                    columns.insert(column, data_type);
                }
                None => findings.errors.push(format!(
                    "{}: {prefix}.spec: {element} must be column:type, the type one of {}",
                    keys.connector,
                    TYPES.map(|(name, _)| name).join(", ")
                )),
            }
        }
        if columns.is_empty() {
            findings.errors.push(format!("{}: {prefix}.spec must name columns and types", keys.connector));
            return None;
        }
        Some(Self(columns))
    }

    /// Those of the rows that are cast. Others are passed over, as Kafka Connect does.
    pub(super) fn columns(&self, rows: &RecordBatch) -> Vec<String> {
        self.0.keys().filter(|column| rows.column_by_name(column).is_some()).cloned().collect()
    }

    /// The column's new content, and the rows whose value the type cannot hold.
    pub(super) fn apply(
        &self,
        rows: &RecordBatch,
        name: &str,
    ) -> Result<(ArrayRef, Vec<(usize, String)>), String> {
        let (Some(column), Some(to)) = (rows.column_by_name(name), self.0.get(name)) else {
            return Err(format!("there is no column {name}"));
        };
        convert(column, to).map_err(|reason| format!("the column {name}: {reason}"))
    }
}

/// Casts without a silent null: each value that is lost is returned with the reason.
pub(super) fn convert(column: &ArrayRef, to: &DataType) -> Result<(ArrayRef, Vec<(usize, String)>), String> {
    let safe = CastOptions { safe: true, ..CastOptions::default() };
    let cast = |column: &ArrayRef, to: &DataType| {
        if !can_cast_types(column.data_type(), to) {
            return Err(format!("{} cannot become {to}", column.data_type()));
        }
        cast_with_options(column, to, &safe).map_err(|error| error.to_string())
    };
    let whole = to.is_integer().then_some(DataType::Int64);
    let converted = match (column.data_type(), whole) {
        // Milliseconds since 1970, as Kafka Connect counts.
        (DataType::Timestamp(_, zone), Some(whole)) => {
            let millis = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
            cast(&cast(&millis, &whole)?, to)?
        }
        (DataType::Date32, Some(_)) => cast(&cast(column, &DataType::Int32)?, to)?,
        _ => cast(column, to)?,
    };
    let mut faults = Vec::new();
    if converted.null_count() > column.null_count() {
        let lost = (0..column.len()).filter(|row| converted.is_null(*row) && !column.is_null(*row));
        faults.extend(lost.map(|row| (row, format!("the value does not fit {to}"))));
    }
    Ok((converted, faults))
}
