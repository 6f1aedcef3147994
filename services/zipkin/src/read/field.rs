//! Parses the value of one member of a span.

use serde_json::value::RawValue;

use crate::Text;

/// The number of characters of a client's text that an error repeats.
const QUOTED: usize = 48;

/// A malformed member.
#[derive(Debug)]
pub(crate) struct FieldError {
    pub(super) field: String,
    pub(super) problem: String,
}

impl FieldError {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// A value other than `allowed`.
    pub(super) fn expected(field: impl Into<String>, allowed: &str, raw: &RawValue) -> Self {
        Self::new(field, format!("must be {allowed}, not {}", shortened(raw.get())))
    }

    /// Prefixes the field with the object that contains the member.
    pub(super) fn within(mut self, object: &str) -> Self {
        // The key of a tag can be long.
        let field = shortened(&self.field);
        self.field = if field.is_empty() { object.to_owned() } else { format!("{object}.{field}") };
        self
    }
}

pub(super) fn text(field: &str, raw: &RawValue) -> Result<String, FieldError> {
    serde_json::from_str(raw.get()).map_err(|_| FieldError::expected(field, "a string", raw))
}

/// A label in lower case, as in Zipkin; `None` for an empty one.
pub(super) fn label(field: &str, raw: Option<&RawValue>) -> Result<Option<Text>, FieldError> {
    let Some(raw) = raw else { return Ok(None) };
    let label = text(field, raw)?;
    Ok((!label.is_empty()).then(|| label.to_lowercase().into()))
}

/// Microseconds: a whole number that a signed number of 64 bits can hold.
pub(super) fn micros(field: &str, raw: Option<&RawValue>) -> Result<u64, FieldError> {
    let Some(raw) = raw else { return Ok(0) };
    let read: Option<u64> = serde_json::from_str(raw.get()).ok().or_else(|| whole(raw));
    read.filter(|micros| i64::try_from(*micros).is_ok())
        .ok_or_else(|| FieldError::expected(field, "a whole number of microseconds, from 0", raw))
}

/// As [`micros`], with zero for a negative number, as in Zipkin.
pub(super) fn micros_or_zero(field: &str, raw: Option<&RawValue>) -> Result<u64, FieldError> {
    let negative = raw.is_some_and(|raw| {
        let text = raw.get();
        text.strip_prefix('-')
            .and_then(|rest| serde_json::from_str::<&RawValue>(rest).ok())
            .is_some_and(|raw| serde_json::from_str::<u64>(raw.get()).is_ok() || whole(raw).is_some())
    });
    if negative { Ok(0) } else { micros(field, raw) }
}

/// A whole number in floating-point notation, which some encoders write: 1.5e15.
fn whole(raw: &RawValue) -> Option<u64> {
    /// Up to here, every whole number has an exact double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = serde_json::from_str(raw.get()).ok()?;
    if number.fract() != 0.0 || !(0.0..=EXACT).contains(&number) {
        return None;
    }
    // Formats as digits alone, without point and exponent.
    format!("{number:.0}").parse().ok()
}

pub(super) fn flag(field: &str, raw: Option<&RawValue>) -> Result<Option<bool>, FieldError> {
    let Some(raw) = raw else { return Ok(None) };
    serde_json::from_str(raw.get()).map(Some).map_err(|_| FieldError::expected(field, "true or false", raw))
}

/// A client's text on one line, shortened.
pub(super) fn shortened(text: &str) -> String {
    let clean = |text: &str| text.replace(char::is_control, " ");
    match text.char_indices().nth(QUOTED * 2) {
        Some(_) => {
            let start: String = text.chars().take(QUOTED).collect();
            let end: Vec<char> = text.chars().rev().take(QUOTED / 2).collect();
            clean(&format!("{start}…{}", end.into_iter().rev().collect::<String>()))
        }
        None => clean(text),
    }
}
