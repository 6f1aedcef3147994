//! Values of attributes, and their texts.

use std::{borrow::Cow, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::span::Str;

/// The deepest list or map within a value; the text of a deeper one is `…`.
pub(crate) const MAX_DEPTH: usize = 8;

/// OTLP's `AnyValue`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Empty,
    Text(Str<'a>),
    Bool(bool),
    Whole(i64),
    Double(f64),
    /// In base64.
    Bytes(Str<'a>),
    List(Vec<Self>),
    Map(Vec<(Str<'a>, Self)>),
    TooDeep,
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(STANDARD.encode(bytes).into())
    }

    /// The value as a tag: lists and maps in JSON, all others without quotes.
    pub(crate) fn into_text(self) -> Str<'a> {
        match self {
            Self::Empty => Cow::Borrowed(""),
            Self::Text(text) | Self::Bytes(text) => text,
            Self::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Self::Whole(value) => value.to_string().into(),
            Self::Double(value) => value.to_string().into(),
            value => {
                let mut text = String::new();
                value.write_json(&mut text);
                text.into()
            }
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Empty => out.push_str("null"),
            Self::Text(text) | Self::Bytes(text) => quote(out, text),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            // Writing to a String cannot fail.
            Self::Whole(value) => _ = write!(out, "{value}"),
            Self::Double(value) if value.is_finite() => _ = write!(out, "{value}"),
            Self::Double(value) => _ = write!(out, "\"{value}\""),
            Self::List(values) => {
                let mut before = '[';
                for value in values {
                    out.push(before);
                    value.write_json(out);
                    before = ',';
                }
                out.push_str(if values.is_empty() { "[]" } else { "]" });
            }
            Self::Map(entries) => {
                let mut before = '{';
                for (key, value) in entries {
                    out.push(before);
                    quote(out, key);
                    out.push(':');
                    value.write_json(out);
                    before = ',';
                }
                out.push_str(if entries.is_empty() { "{}" } else { "}" });
            }
            Self::TooDeep => out.push_str("\"…\""),
        }
    }
}

fn quote(out: &mut String, text: &str) {
    // A string always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_a_text() {
        let list = Value::List(vec![
            Value::Text("a\"".into()),
            Value::Whole(-1),
            Value::Double(f64::NAN),
            Value::Empty,
        ]);
        let map = Value::Map(vec![("k".into(), Value::Bool(true)), ("l".into(), Value::List(vec![]))]);
        for (value, text) in [
            (Value::Empty, ""),
            (Value::Text("a\"".into()), "a\""),
            (Value::Bool(false), "false"),
            (Value::Whole(i64::MIN), "-9223372036854775808"),
            (Value::Double(0.5), "0.5"),
            (Value::bytes(&[0, 255]), "AP8="),
            (list, r#"["a\"",-1,"NaN",null]"#),
            (map, r#"{"k":true,"l":[]}"#),
            (Value::TooDeep, "\"…\""),
        ] {
            assert_eq!(value.into_text(), text);
        }
    }
}
