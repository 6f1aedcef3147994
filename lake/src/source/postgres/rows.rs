//! Cells in `PostgreSQL`'s binary form, gathered into Arrow's columns.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, ListArray,
    builder::{
        BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
        Float64Builder, Int16Builder, Int32Builder, Int64Builder, NullBufferBuilder, StringBuilder,
        Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    },
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use super::{
    column::{Form, ZONE},
    numeric::Numeric,
};

/// Days and microseconds from 1970, Arrow's epoch, to 2000, `PostgreSQL`'s.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

const DAY_MICROS: i64 = 86_400_000_000;

/// Why a cell cannot be converted.
pub(super) type Problem = String;

/// The cells of a column.
pub(super) enum Cells {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Oid(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Uuid(StringBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Decimal128(Decimal128Builder, u8, u8),
    Decimal256(Decimal256Builder, u8),
    Number(StringBuilder),
    List(Box<ListCells>),
}

/// The cells of a column of lists.
pub(super) struct ListCells {
    form: Form,
    elements: Cells,
    offsets: Vec<i32>,
    valid: NullBufferBuilder,
}

macro_rules! null {
    ($($builder:expr),*) => { $($builder.append_null())* };
}

impl Cells {
    pub(super) fn new(form: &Form) -> Self {
        match form {
            Form::Bool => Self::Bool(BooleanBuilder::new()),
            Form::Int16 => Self::Int16(Int16Builder::new()),
            Form::Int32 => Self::Int32(Int32Builder::new()),
            Form::Int64 => Self::Int64(Int64Builder::new()),
            Form::Oid => Self::Oid(Int64Builder::new()),
            Form::Float32 => Self::Float32(Float32Builder::new()),
            Form::Float64 => Self::Float64(Float64Builder::new()),
            Form::Text => Self::Text(StringBuilder::new()),
            Form::Bytes => Self::Bytes(BinaryBuilder::new()),
            Form::Uuid => Self::Uuid(StringBuilder::new()),
            Form::Date => Self::Date(Date32Builder::new()),
            Form::Time => Self::Time(Time64MicrosecondBuilder::new()),
            Form::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            Form::Moment => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(ZONE)),
            Form::Decimal { precision, scale } => {
                let data_type = form.data_type();
                if matches!(data_type, arrow_schema::DataType::Decimal128(..)) {
                    let builder = Decimal128Builder::new().with_data_type(data_type);
                    Self::Decimal128(builder, *precision, *scale)
                } else {
                    let builder = Decimal256Builder::new().with_data_type(data_type);
                    Self::Decimal256(builder, *scale)
                }
            }
            Form::Number => Self::Number(StringBuilder::new()),
            Form::List(element) => Self::List(Box::new(ListCells {
                form: (**element).clone(),
                elements: Self::new(element),
                offsets: vec![0],
                valid: NullBufferBuilder::new(0),
            })),
        }
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Bool(cells) => null!(cells),
            Self::Int16(cells) => null!(cells),
            Self::Int32(cells) => null!(cells),
            Self::Int64(cells) | Self::Oid(cells) => null!(cells),
            Self::Float32(cells) => null!(cells),
            Self::Float64(cells) => null!(cells),
            Self::Text(cells) | Self::Uuid(cells) | Self::Number(cells) => null!(cells),
            Self::Bytes(cells) => null!(cells),
            Self::Date(cells) => null!(cells),
            Self::Time(cells) => null!(cells),
            Self::Timestamp(cells) => null!(cells),
            Self::Decimal128(cells, ..) => null!(cells),
            Self::Decimal256(cells, ..) => null!(cells),
            Self::List(cells) => cells.end(false),
        }
    }

    /// Appends a cell. After an error nothing has been appended.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        match self {
            Self::Bool(cells) => cells.append_value(fixed::<1>(bytes)? != [0]),
            Self::Int16(cells) => cells.append_value(i16::from_be_bytes(fixed(bytes)?)),
            Self::Int32(cells) => cells.append_value(i32::from_be_bytes(fixed(bytes)?)),
            Self::Int64(cells) => cells.append_value(i64::from_be_bytes(fixed(bytes)?)),
            Self::Oid(cells) => cells.append_value(u32::from_be_bytes(fixed(bytes)?).into()),
            Self::Float32(cells) => cells.append_value(f32::from_be_bytes(fixed(bytes)?)),
            Self::Float64(cells) => cells.append_value(f64::from_be_bytes(fixed(bytes)?)),
            Self::Text(cells) => {
                cells.append_value(str::from_utf8(bytes).map_err(|error| error.to_string())?);
            }
            Self::Bytes(cells) => cells.append_value(bytes),
            Self::Uuid(cells) => cells.append_value(uuid(fixed(bytes)?)),
            Self::Date(cells) => cells.append_value(date(bytes)?),
            Self::Time(cells) => cells.append_value(time(bytes)?),
            Self::Timestamp(cells) => cells.append_value(timestamp(bytes)?),
            Self::Decimal128(cells, precision, scale) => {
                let value = decimal(bytes, *scale)?.to_i128().ok_or_else(|| too_large(*precision, *scale))?;
                cells.append_value(value);
            }
            Self::Decimal256(cells, scale) => cells.append_value(decimal(bytes, *scale)?),
            Self::Number(cells) => {
                cells.append_value(Numeric::parse(bytes).ok_or_else(damaged)?.text());
            }
            Self::List(cells) => cells.append(bytes)?,
        }
        Ok(())
    }

    /// The column, and an empty one begins.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, Problem> {
        Ok(match self {
            Self::Bool(cells) => Arc::new(cells.finish()) as ArrayRef,
            Self::Int16(cells) => Arc::new(cells.finish()),
            Self::Int32(cells) => Arc::new(cells.finish()),
            Self::Int64(cells) | Self::Oid(cells) => Arc::new(cells.finish()),
            Self::Float32(cells) => Arc::new(cells.finish()),
            Self::Float64(cells) => Arc::new(cells.finish()),
            Self::Text(cells) | Self::Uuid(cells) | Self::Number(cells) => Arc::new(cells.finish()),
            Self::Bytes(cells) => Arc::new(cells.finish()),
            Self::Date(cells) => Arc::new(cells.finish()),
            Self::Time(cells) => Arc::new(cells.finish()),
            Self::Timestamp(cells) => Arc::new(cells.finish()),
            Self::Decimal128(cells, ..) => Arc::new(cells.finish()),
            Self::Decimal256(cells, ..) => Arc::new(cells.finish()),
            Self::List(cells) => cells.finish()?,
        })
    }
}

impl ListCells {
    /// Appends an array: its dimensions, whether it has NULLs, its element type, each dimension's length and lower bound,
    /// then the elements.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let mut rest = Reader(bytes);
        let dimensions = rest.int()?;
        let (_has_nulls, _element_type) = (rest.int()?, rest.int()?);
        let count = match dimensions {
            0 => 0,
            1 => {
                let count = rest.int()?;
                let _lower_bound = rest.int()?;
                count
            }
            _ => return Err(format!("an array of {dimensions} dimensions; one is allowed")),
        };
        // Elements before a damaged one must not remain.
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(rest.cell()?);
        }
        let mut probe = Cells::new(&self.form);
        for element in elements.iter().flatten() {
            probe.append(element)?;
        }
        for element in elements {
            match element {
                Some(element) => self.elements.append(element)?,
                None => self.elements.append_null(),
            }
        }
        let end = self.offsets.last().copied().unwrap_or_default().checked_add(count);
        self.offsets.push(end.ok_or("more than 2,147,483,647 elements in one page")?);
        self.valid.append_non_null();
        Ok(())
    }

    fn end(&mut self, is_valid: bool) {
        self.offsets.push(self.offsets.last().copied().unwrap_or_default());
        self.valid.append(is_valid);
    }

    fn finish(&mut self) -> Result<ArrayRef, Problem> {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        // Increasing from 0 by construction.
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let list = ListArray::try_new(
            Arc::new(self.form.item()),
            offsets,
            self.elements.finish()?,
            self.valid.finish(),
        );
        Ok(Arc::new(list.map_err(|error| error.to_string())?))
    }
}

/// Reads the parts of a message. Errors are for the row that it belongs to.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn short(&mut self) -> Result<i16, Problem> {
        Ok(i16::from_be_bytes(fixed(self.take(2)?)?))
    }

    pub(super) fn int(&mut self) -> Result<i32, Problem> {
        Ok(i32::from_be_bytes(fixed(self.take(4)?)?))
    }

    /// A length and as many bytes; `None` for NULL.
    pub(super) fn cell(&mut self) -> Result<Option<&'a [u8]>, Problem> {
        match self.int()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| damaged())?).map(Some),
        }
    }
}

/// A value of a fixed size.
pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Problem> {
    bytes.try_into().map_err(|_| damaged())
}

fn damaged() -> Problem {
    "the server sent bytes that are not of the column's type".to_owned()
}

fn too_large(precision: u8, scale: u8) -> Problem {
    format!("the number is not a numeric({precision},{scale})")
}

fn decimal(bytes: &[u8], scale: u8) -> Result<arrow_buffer::i256, Problem> {
    let number = Numeric::parse(bytes).ok_or_else(damaged)?;
    if let Some(special) = number.special() {
        return Err(format!("{special} has no decimal form; a numeric without precision is copied as text"));
    }
    number.scaled(scale).ok_or_else(|| "the number has more digits than its column allows".to_owned())
}

fn date(bytes: &[u8]) -> Result<i32, Problem> {
    match i32::from_be_bytes(fixed(bytes)?) {
        i32::MAX | i32::MIN => Err("an infinite date has no value".to_owned()),
        days => days.checked_add(EPOCH_DAYS).ok_or_else(|| "the date is too late".to_owned()),
    }
}

fn time(bytes: &[u8]) -> Result<i64, Problem> {
    let time = i64::from_be_bytes(fixed(bytes)?);
    if (0..DAY_MICROS).contains(&time) { Ok(time) } else { Err("24:00:00 is not a time of a day".to_owned()) }
}

/// Microseconds since 1970.
pub(super) fn timestamp(bytes: &[u8]) -> Result<i64, Problem> {
    match i64::from_be_bytes(fixed(bytes)?) {
        i64::MAX | i64::MIN => Err("an infinite timestamp has no value".to_owned()),
        micros => micros.checked_add(EPOCH_MICROS).ok_or_else(|| "the timestamp is too late".to_owned()),
    }
}

/// As `PostgreSQL` prints it.
pub(super) fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
        }
    }
    text
}

/// Which rows are kept.
pub(super) fn mask(bad: &[usize], rows: usize) -> BooleanArray {
    let mut keep = vec![true; rows];
    for row in bad {
        if let Some(keep) = keep.get_mut(*row) {
            *keep = false;
        }
    }
    keep.into()
}
