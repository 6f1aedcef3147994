//! `TimestampConverter`. Microseconds are kept, where Kafka Connect cuts them.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    cast::AsArray,
    types::{Int64Type, TimestampMicrosecondType},
};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::{cast::convert, java_time::to_chrono};
use crate::{Findings, Keys};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimestampConverter {
    field: String,
    target: Target,
    /// Chrono's, of text on either side.
    format: String,
    /// Units in a second, of numbers on either side.
    precision: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

/// The new content of a column, and the rows whose values cannot be converted.
type Converted = (String, ArrayRef, Vec<(usize, String)>);

impl TimestampConverter {
    pub(super) fn take(prefix: &str, keys: &mut Keys, findings: &mut Findings) -> Option<Self> {
        let field = keys.take(&format!("{prefix}.field")).unwrap_or_default();
        if field.is_empty() {
            findings.errors.push(format!("{}: {prefix}.field must name a column", keys.connector));
        }
        let targets = [
            ("string", Some(Target::Text)),
            ("unix", Some(Target::Unix)),
            ("Date", Some(Target::Date)),
            ("Time", Some(Target::Time)),
            ("Timestamp", Some(Target::Timestamp)),
        ];
        let errors = findings.errors.len();
        let target = keys.one_of(&format!("{prefix}.target.type"), None, &targets, findings);
        if target.is_none() && findings.errors.len() == errors {
            let key = format!("{prefix}.target.type");
            findings
                .errors
                .push(format!("{}: {key} is missing: string, unix, Date, Time or Timestamp", keys.connector));
        }
        let precisions = [
            ("seconds", 1),
            ("milliseconds", 1_000),
            ("microseconds", 1_000_000),
            ("nanoseconds", 1_000_000_000),
        ];
        let precision = keys.one_of(&format!("{prefix}.unix.precision"), 1_000, &precisions, findings);
        keys.take(&format!("{prefix}.replace.null.with.default"));
        let pattern = keys.take(&format!("{prefix}.format")).unwrap_or_default();
        if pattern.is_empty() && target == Some(Target::Text) {
            findings.errors.push(format!("{}: {prefix}.format is needed to make text", keys.connector));
        }
        let format = to_chrono(&pattern).unwrap_or_else(|reason| {
            findings.errors.push(format!("{}: {prefix}.format={pattern}: {reason}", keys.connector));
            String::new()
        });
        Some(Self { field, target: target?, format, precision })
    }

    pub(super) fn apply(&self, rows: &RecordBatch) -> Result<Converted, String> {
        let name = &self.field;
        let column = rows.column_by_name(name).ok_or_else(|| format!("there is no column {name}"))?;
        let (micros, mut faults) = self.micros(column)?;
        let fault = |error: arrow_schema::ArrowError| error.to_string();
        let zoned =
            |micros: TimestampMicrosecondArray| -> ArrayRef { Arc::new(micros.with_timezone("+00:00")) };
        let converted: ArrayRef = match self.target {
            Target::Timestamp => zoned(micros),
            Target::Date => cast(&micros, &DataType::Date32).map_err(fault)?,
            Target::Time => cast(&micros, &DataType::Time64(TimeUnit::Microsecond)).map_err(fault)?,
            Target::Unix => {
                let unix = |micros: i64| {
                    let unit = i128::from(micros) * i128::from(self.precision);
                    i64::try_from(unit.div_euclid(1_000_000)).ok()
                };
                let unix: Int64Array = micros.iter().map(|micros| micros.and_then(unix)).collect();
                Arc::new(unix)
            }
            Target::Text => {
                let text =
                    |micros| Some(DateTime::from_timestamp_micros(micros)?.format(&self.format).to_string());
                let text: StringArray = micros.iter().map(|micros| micros.and_then(text)).collect();
                Arc::new(text)
            }
        };
        if converted.null_count() > column.null_count() {
            let known: Vec<_> = faults.iter().map(|(row, _)| *row).collect();
            let lost = (0..column.len())
                .filter(|row| converted.is_null(*row) && !column.is_null(*row) && !known.contains(row));
            faults.extend(lost.map(|row| (row, "the time is out of range".to_owned())));
            faults.sort_unstable();
        }
        Ok((name.clone(), converted, faults))
    }

    /// The moments in microseconds, in UTC.
    fn micros(&self, column: &ArrayRef) -> Result<(TimestampMicrosecondArray, Vec<(usize, String)>), String> {
        let to = DataType::Timestamp(TimeUnit::Microsecond, None);
        match column.data_type() {
            DataType::Timestamp(..) | DataType::Date32 => {
                let (micros, faults) = convert(column, &to)?;
                Ok((micros.as_primitive::<TimestampMicrosecondType>().clone(), faults))
            }
            data_type if data_type.is_integer() => {
                let numbers = cast(column, &DataType::Int64).map_err(|error| error.to_string())?;
                let micros = numbers.as_primitive::<Int64Type>().iter().map(|number| {
                    let micros = i128::from(number?) * 1_000_000;
                    i64::try_from(micros.div_euclid(i128::from(self.precision))).ok()
                });
                Ok((micros.collect(), Vec::new()))
            }
            DataType::Utf8 => {
                let mut faults = Vec::new();
                let texts = column.as_string::<i32>();
                let micros = texts.iter().enumerate().map(|(row, text)| {
                    let text = text?;
                    let parsed = parse(text, &self.format);
                    if parsed.is_none() {
                        faults.push((row, format!("{text:?} is not in the format of the transform")));
                    }
                    parsed
                });
                Ok((micros.collect(), faults))
            }
            other => Err(format!("the column {} is {other}, which is not a time", self.field)),
        }
    }
}

fn parse(text: &str, format: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_str(text, format) {
        return Some(time.timestamp_micros());
    }
    let local = NaiveDateTime::parse_from_str(text, format)
        .ok()
        .or_else(|| Some(NaiveDate::parse_from_str(text, format).ok()?.and_time(NaiveTime::MIN)));
    local.map(|local| local.and_utc().timestamp_micros())
}
