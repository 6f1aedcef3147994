//! Keys of rows, and their order.

use std::{cmp::Ordering, collections::BTreeSet};

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    cast::AsArray,
    types::{Decimal128Type, Float64Type, Int64Type},
};
use arrow_cast::{
    cast,
    display::{ArrayFormatter, FormatOptions},
};
use arrow_schema::DataType;

use super::{object::Reader, state};
use crate::{LakeError, store::Lake};

/// The values of the columns of a key, as text; `None` is null.
pub type Keyed = Vec<Option<String>>;

/// The keys of all rows in a topic, each once.
///
/// # Errors
/// [`LakeError::Refused`] for an unknown topic or column; those of the lake and of its objects.
pub async fn keys(lake: &Lake, topic: &str, columns: &[String]) -> Result<BTreeSet<Keyed>, LakeError> {
    let state = state(lake, topic).await?;
    let reader = Reader::new(&state, Some(columns))?;
    let mut keys = BTreeSet::new();
    for object in lake.list(&state.directory(topic)).await? {
        let Some(content) = lake.read(&object.key).await? else { continue };
        for batch in reader.read(&object.key, content)? {
            for row in 0..batch.num_rows() {
                keys.insert(key(&batch, row, columns.len())?);
            }
        }
    }
    Ok(keys)
}

/// The key of a row, whose columns come first in the batch.
pub(super) fn key(batch: &RecordBatch, row: usize, columns: usize) -> Result<Keyed, LakeError> {
    let options = FormatOptions::new();
    let values = batch.columns().iter().take(columns).map(|column| {
        if column.is_null(row) {
            return Ok(None);
        }
        Ok(Some(ArrayFormatter::try_new(column, &options)?.value(row).try_to_string()?))
    });
    values.collect()
}

/// A value to order rows by; null comes before all others.
#[derive(Debug, Clone)]
pub(super) enum Rank {
    Null,
    Number(i128),
    Float(f64),
    Text(String),
}

impl Rank {
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Float(one), Self::Float(other)) => one.total_cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => self.class().cmp(&other.class()),
        }
    }

    fn class(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Number(_) => 1,
            Self::Float(_) => 2,
            Self::Text(_) => 3,
        }
    }
}

/// The ranks of a column's values.
pub(super) fn ranks(column: &ArrayRef) -> Result<Vec<Rank>, LakeError> {
    let rank = |value: Option<Rank>| value.unwrap_or(Rank::Null);
    Ok(match column.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let floats = cast(column, &DataType::Float64)?;
            floats.as_primitive::<Float64Type>().iter().map(|value| rank(value.map(Rank::Float))).collect()
        }
        DataType::Decimal128(..) => {
            let numbers = column.as_primitive::<Decimal128Type>();
            numbers.iter().map(|value| rank(value.map(Rank::Number))).collect()
        }
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            texts.iter().map(|value| rank(value.map(|text| Rank::Text(text.to_owned())))).collect()
        }
        other if other.is_integer() || other.is_temporal() || *other == DataType::Boolean => {
            let numbers = cast(&whole(column)?, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            numbers.iter().map(|value| rank(value.map(|number| Rank::Number(number.into())))).collect()
        }
        other => {
            return Err(LakeError::Refused(format!(
                "rows cannot be ordered by a column of the type {other}"
            )));
        }
    })
}

/// Dates and times of 32 bits are cast to 64 in two steps.
fn whole(column: &ArrayRef) -> Result<ArrayRef, LakeError> {
    Ok(match column.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(column, &DataType::Int32)?,
        _ => column.clone(),
    })
}
