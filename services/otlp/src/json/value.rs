//! Members of any message: texts, numbers, attributes.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use crate::{
    span::{self, Attributes},
    value::{MAX_DEPTH, Value},
};

/// A text of the report, borrowed, or a copy where it contains escapes.
///
/// A type of its own because serde borrows a `Cow` only as a field, not within an `Option` or a list.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(super) struct Str<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A number, or a text that should be one: OTLP writes 64-bit numbers as texts, since doubles cannot hold them.
pub(super) struct Number<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl<'de> Visitor<'de> for TextOrNumber {
            type Value = Number<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or one as a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Number(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Number(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Number(Cow::Owned(number.to_string())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Number(Cow::Owned(number.to_string())))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Number(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

/// `KeyValue`.
#[derive(Deserialize)]
pub(super) struct KeyValue<'a> {
    #[serde(borrow)]
    key: Option<Str<'a>>,
    #[serde(borrow)]
    value: Option<AnyValue<'a>>,
}

/// `AnyValue`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names in OTLP")]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Str<'a>>,
    bool_value: Option<bool>,
    #[serde(borrow)]
    int_value: Option<Number<'a>>,
    /// A number, or `NaN`, `Infinity`, `-Infinity`.
    #[serde(borrow)]
    double_value: Option<Number<'a>>,
    #[serde(borrow)]
    array_value: Option<ArrayValue<'a>>,
    #[serde(borrow)]
    kvlist_value: Option<KeyValueList<'a>>,
    #[serde(borrow)]
    bytes_value: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct ArrayValue<'a> {
    #[serde(borrow)]
    values: Option<Vec<AnyValue<'a>>>,
}

#[derive(Deserialize)]
struct KeyValueList<'a> {
    #[serde(borrow)]
    values: Option<Vec<KeyValue<'a>>>,
}

/// Attributes with their values as texts.
pub(super) fn attributes(list: Option<Vec<KeyValue<'_>>>) -> Attributes<'_> {
    let pairs = list.unwrap_or_default().into_iter().map(|attribute| attribute.into_pair(0));
    pairs.map(|(key, value)| (key, value.into_text())).collect()
}

impl<'a> KeyValue<'a> {
    fn into_pair(self, depth: usize) -> (span::Str<'a>, Value<'a>) {
        let key = self.key.map(|Str(key)| key).unwrap_or_default();
        (key, self.value.map_or(Value::Empty, |value| value.into_value(depth)))
    }
}

impl<'a> AnyValue<'a> {
    fn into_value(self, depth: usize) -> Value<'a> {
        if let Some(Str(text)) = self.string_value {
            Value::Text(text)
        } else if let Some(flag) = self.bool_value {
            Value::Bool(flag)
        } else if let Some(Number(whole)) = self.int_value {
            whole.parse().map_or(Value::Text(whole), Value::Whole)
        } else if let Some(Number(double)) = self.double_value {
            double.parse().map_or(Value::Text(double), Value::Double)
        } else if let Some(Str(bytes)) = self.bytes_value {
            Value::Bytes(bytes)
        } else if self.array_value.is_some() || self.kvlist_value.is_some() {
            self.into_nested(depth)
        } else {
            Value::Empty
        }
    }

    fn into_nested(self, depth: usize) -> Value<'a> {
        if depth >= MAX_DEPTH {
            return Value::TooDeep;
        }
        if let Some(list) = self.array_value {
            let values = list.values.unwrap_or_default().into_iter();
            return Value::List(values.map(|value| value.into_value(depth + 1)).collect());
        }
        let values = self.kvlist_value.and_then(|list| list.values).unwrap_or_default().into_iter();
        Value::Map(values.map(|entry| entry.into_pair(depth + 1)).collect())
    }
}
