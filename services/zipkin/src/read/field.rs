//! One member of a span: its value, or what is wrong with it.

use serde_json::value::RawValue;

use crate::Text;

/// Characters of a client's own text that an error repeats.
const QUOTED: usize = 48;

/// A member that is wrong.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// A value that is not what `allowed` says.
    pub(super) fn not(field: impl Into<String>, allowed: &str, raw: &RawValue) -> Self {
        Self::new(field, format!("must be {allowed}, and not {}", shortened(raw.get())))
    }

    /// The same, seen from the object that the member belongs to.
    pub(super) fn within(mut self, object: &str) -> Self {
        // The key of a tag may be long.
        let field = shortened(&self.field);
        self.field = if field.is_empty() { object.to_owned() } else { format!("{object}.{field}") };
        self
    }
}

pub(super) fn text(field: &str, raw: &RawValue) -> Result<String, Fault> {
    serde_json::from_str(raw.get()).map_err(|_| Fault::not(field, "a text", raw))
}

/// A label, which Zipkin keeps in lower case; an empty one is none.
pub(super) fn label(field: &str, raw: Option<&RawValue>) -> Result<Option<Text>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    let label = text(field, raw)?;
    Ok((!label.is_empty()).then(|| label.to_lowercase().into()))
}

/// Microseconds: a whole number that a signed number of 64 bits can hold.
pub(super) fn micros(field: &str, raw: Option<&RawValue>) -> Result<u64, Fault> {
    let Some(raw) = raw else { return Ok(0) };
    let read: Option<u64> = serde_json::from_str(raw.get()).ok().or_else(|| whole(raw));
    read.filter(|micros| i64::try_from(*micros).is_ok())
        .ok_or_else(|| Fault::not(field, "a whole number of microseconds, from 0", raw))
}

/// Some encoders write 1.5e15 for a whole number.
fn whole(raw: &RawValue) -> Option<u64> {
    /// Up to here every whole number has a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = serde_json::from_str(raw.get()).ok()?;
    if number.fract() != 0.0 || !(0.0..=EXACT).contains(&number) {
        return None;
    }
    // Without point and exponent it is digits alone.
    format!("{number:.0}").parse().ok()
}

pub(super) fn flag(field: &str, raw: Option<&RawValue>) -> Result<Option<bool>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    serde_json::from_str(raw.get()).map(Some).map_err(|_| Fault::not(field, "true or false", raw))
}

/// One line, and a short one, whatever a client sent.
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
