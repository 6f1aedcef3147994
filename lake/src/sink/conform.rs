//! Columns that come, go and widen between commits.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::LakeError;

/// In a field's metadata: the writer fills in the records' offsets.
pub(crate) const OFFSET: (&str, &str) = ("octet", "offset");

/// The columns of `known` in their order, then the new ones of `batch`, each of a type that holds the values of both.
pub(crate) fn merge(topic: &str, known: &Schema, batch: &Schema) -> Result<Schema, LakeError> {
    let mut fields: Vec<Field> = known.fields().iter().map(|field| field.as_ref().clone()).collect();
    for new in batch.fields() {
        let Some(old) = fields.iter_mut().find(|field| field.name() == new.name()) else {
            fields.push(Field::new(new.name(), new.data_type().clone(), true));
            continue;
        };
        let both = common(old.data_type(), new.data_type()).ok_or_else(|| LakeError::Column {
            topic: topic.to_owned(),
            column: new.name().clone(),
            was: old.data_type().to_string(),
            now: new.data_type().to_string(),
        })?;
        old.set_data_type(both);
    }
    Ok(Schema::new(fields))
}

/// The smallest type that holds every value of both.
fn common(one: &DataType, other: &DataType) -> Option<DataType> {
    use DataType::{
        Decimal128, Decimal256, Float32, Float64, Int8, Int16, Int32, Int64, List, Null, Timestamp,
    };
    if one == other {
        return Some(one.clone());
    }
    let whole = |data_type: &DataType| match data_type {
        Int8 => Some(3),
        Int16 => Some(5),
        Int32 => Some(10),
        Int64 => Some(19),
        _ => None,
    };
    let decimal = |data_type: &DataType| match data_type {
        Decimal128(precision, scale) | Decimal256(precision, scale) => {
            Some((i16::from(*precision) - i16::from(*scale), i16::from(*scale)))
        }
        other => whole(other).map(|digits| (digits, 0)),
    };
    match (one, other) {
        (Null, known) | (known, Null) => Some(known.clone()),
        (Int8 | Int16, Float32) | (Float32, Int8 | Int16) => Some(Float32),
        (Int8 | Int16 | Int32 | Float32, Float64) | (Float64, Int8 | Int16 | Int32 | Float32) => {
            Some(Float64)
        }
        (List(one), List(other)) => {
            let item = common(one.data_type(), other.data_type())?;
            Some(List(Arc::new(Field::new(one.name(), item, true))))
        }
        (Timestamp(unit, zone), Timestamp(other_unit, other_zone)) if zone == other_zone => {
            Some(Timestamp((*unit).max(*other_unit), zone.clone()))
        }
        _ => {
            if let (Some(digits), Some(other_digits)) = (whole(one), whole(other)) {
                return Some(if digits > other_digits { one.clone() } else { other.clone() });
            }
            let ((digits, scale), (other_digits, other_scale)) = (decimal(one)?, decimal(other)?);
            let scale = scale.max(other_scale);
            let precision = u8::try_from(digits.max(other_digits) + scale).ok()?;
            let scale = i8::try_from(scale).ok()?;
            match precision {
                0..=38 => Some(Decimal128(precision, scale)),
                39..=76 => Some(Decimal256(precision, scale)),
                _ => None,
            }
        }
    }
}

/// The rows with exactly the columns of `schema`; those that the batch lacks are null.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, LakeError> {
    let rows = batch.num_rows();
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
        Some(column) => Ok(cast(column, field.data_type())?),
        None => Ok(new_null_array(field.data_type(), rows)),
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, LakeError>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// Fills in the offsets of records, the first of which has `first`.
pub(crate) fn fill_offsets(batch: &RecordBatch, first: u64) -> Result<RecordBatch, LakeError> {
    let (key, value) = OFFSET;
    let schema = batch.schema();
    let is_offset = |field: &Field| field.metadata().get(key).is_some_and(|found| found == value);
    if !schema.fields().iter().any(|field| is_offset(field)) {
        return Ok(batch.clone());
    }
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        if !is_offset(field) {
            return Ok(column.clone());
        }
        let rows = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        let offsets: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first.saturating_add(rows)));
        Ok(cast(&offsets, field.data_type())?)
    });
    let columns = columns.collect::<Result<Vec<_>, LakeError>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    #[test]
    fn types_widen_without_a_loss_or_stop_the_topic() {
        use DataType::{Date32, Decimal128, Decimal256, Float32, Float64, Int16, Int32, Int64, Utf8};
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (one, other, both) in [
            (Int16, Int64, Some(Int64)),
            (Float32, Float64, Some(Float64)),
            (Int32, Float64, Some(Float64)),
            (Int64, Float64, None),
            (Int32, Float32, None),
            (Int64, Decimal128(10, 2), Some(Decimal128(21, 2))),
            (Decimal128(10, 2), Decimal128(38, 10), Some(Decimal128(38, 10))),
            (Decimal128(38, 2), Decimal128(38, 10), Some(Decimal256(46, 10))),
            (Int32, Utf8, None),
            (Date32, micros, None),
        ] {
            assert_eq!(common(&one, &other), both, "{one} and {other}");
            assert_eq!(common(&other, &one), both, "{other} and {one}");
        }
    }

    #[test]
    fn types_are_read_back_from_their_text() {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Decimal256(50, 3), true)));
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
        for data_type in [list, zoned, DataType::Time64(TimeUnit::Microsecond), DataType::FixedSizeBinary(16)]
        {
            let text = data_type.to_string();
            assert_eq!(text.parse::<DataType>().expect(&text), data_type, "{text}");
        }
    }
}
