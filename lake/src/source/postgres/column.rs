//! A column: its type in `PostgreSQL` and in Arrow.

use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use tokio_postgres::types::{Kind, Type};

/// The zone of timestamps that have one. The JSON writer refuses `UTC`.
pub(super) const ZONE: &str = "+00:00";

/// How a column's bytes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Bool,
    Int16,
    Int32,
    Int64,
    /// An unsigned 32-bit number.
    Oid,
    Float32,
    Float64,
    Text,
    Bytes,
    Uuid,
    Date,
    Time,
    /// Without a zone.
    Timestamp,
    /// With a zone.
    Moment,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// A number without declared precision, or with one that no decimal has.
    Number,
    List(Box<Self>),
}

/// The most digits of Arrow's two decimal types.
const MAX_DIGITS: (u8, u8) = (38, 76);

impl Form {
    /// The form of a type, and whether the server must cast it to text.
    pub(super) fn of(data_type: &Type, modifier: i32) -> (Self, bool) {
        match Self::direct(data_type, modifier) {
            Some(form) => (form, false),
            None => match data_type.kind() {
                Kind::Array(_) => (Self::List(Box::new(Self::Text)), true),
                _ => (Self::Text, true),
            },
        }
    }

    fn direct(data_type: &Type, modifier: i32) -> Option<Self> {
        match data_type.kind() {
            // A domain is sent as its base; the modifier is not known.
            Kind::Domain(base) => return Self::direct(base, -1),
            Kind::Array(element) => {
                return Self::direct(element, modifier).map(|element| Self::List(Box::new(element)));
            }
            _ => {}
        }
        Some(match *data_type {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int16,
            Type::INT4 => Self::Int32,
            Type::INT8 => Self::Int64,
            Type::OID => Self::Oid,
            Type::FLOAT4 => Self::Float32,
            Type::FLOAT8 => Self::Float64,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => Self::Text,
            Type::BYTEA => Self::Bytes,
            Type::UUID => Self::Uuid,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ => Self::Moment,
            Type::NUMERIC => Self::numeric(modifier),
            _ => return None,
        })
    }

    /// Precision and scale are in the modifier, the scale as a signed number of 11 bits.
    fn numeric(modifier: i32) -> Self {
        let Some(packed) = modifier.checked_sub(4).filter(|packed| *packed >= 0) else { return Self::Number };
        let scale = ((packed & 0x7ff) ^ 1_024) - 1_024;
        match (u8::try_from((packed >> 16) & 0xffff), u8::try_from(scale)) {
            (Ok(precision), Ok(scale)) if precision <= MAX_DIGITS.1 && scale <= precision => {
                Self::Decimal { precision, scale }
            }
            _ => Self::Number,
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        let timestamp = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 | Self::Oid => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Text | Self::Uuid | Self::Number => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => timestamp(None),
            Self::Moment => timestamp(Some(ZONE)),
            Self::Decimal { precision, scale } if *precision <= MAX_DIGITS.0 => {
                DataType::Decimal128(*precision, scale.cast_signed())
            }
            Self::Decimal { precision, scale } => DataType::Decimal256(*precision, scale.cast_signed()),
            Self::List(element) => DataType::List(Arc::new(element.item())),
        }
    }

    /// The field of a list's elements.
    pub(super) fn item(&self) -> Field {
        Field::new("item", self.data_type(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modifier(precision: i32, scale: i32) -> i32 {
        (precision << 16 | (scale & 0x7ff)) + 4
    }

    #[test]
    fn numerics_become_the_decimal_that_holds_them_or_text() {
        let form = |modifier| Form::of(&Type::NUMERIC, modifier).0.data_type();
        assert_eq!(form(modifier(10, 2)), DataType::Decimal128(10, 2));
        assert_eq!(form(modifier(38, 38)), DataType::Decimal128(38, 38));
        assert_eq!(form(modifier(39, 0)), DataType::Decimal256(39, 0));
        assert_eq!(form(modifier(76, 10)), DataType::Decimal256(76, 10));
        for other in [-1, modifier(77, 0), modifier(1_000, 10), modifier(5, -2), modifier(2, 4)] {
            assert_eq!(form(other), DataType::Utf8);
        }
    }

    #[test]
    fn unknown_types_are_cast_to_text_and_arrays_of_them_to_lists() {
        assert_eq!(Form::of(&Type::JSONB, -1), (Form::Text, true));
        assert_eq!(Form::of(&Type::INTERVAL_ARRAY, -1), (Form::List(Box::new(Form::Text)), true));
        assert_eq!(Form::of(&Type::INT4_ARRAY, -1), (Form::List(Box::new(Form::Int32)), false));
    }
}
