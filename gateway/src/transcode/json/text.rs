//! The messages that JSON writes as a string: `Timestamp`, `Duration` and `FieldMask`.

use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use prost_types::{Duration, Timestamp};

use super::form::Text;
use crate::transcode::{error::quoted, field_path::set};

/// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z (google/protobuf/timestamp.proto).
const SECONDS_OF_TIMESTAMP: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// "Must be from -315,576,000,000 to +315,576,000,000 inclusive" (google/protobuf/duration.proto).
pub(in crate::transcode) const MAX_SECONDS_OF_DURATION: u64 = 315_576_000_000;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

impl Text {
    /// Reads a message of this type. The error says what is allowed.
    pub(in crate::transcode) fn read(
        self,
        descriptor: &MessageDescriptor,
        text: &str,
    ) -> Result<DynamicMessage, String> {
        let fields = match self {
            Self::Timestamp => {
                let Timestamp { seconds, nanos } = timestamp(text).ok_or_else(|| {
                    format!("{} is not an RFC 3339 time, such as 2024-02-29T12:00:00.5Z", quoted(text))
                })?;
                vec![Value::I64(seconds), Value::I32(nanos)]
            }
            Self::Duration => {
                let Duration { seconds, nanos } = duration(text).ok_or_else(|| {
                    format!(
                        "{} is not a duration in seconds, such as 1.5s, from -315576000000s to 315576000000s",
                        quoted(text)
                    )
                })?;
                vec![Value::I64(seconds), Value::I32(nanos)]
            }
            Self::FieldMask => {
                let paths = mask(text).ok_or_else(|| {
                    let what =
                        "a comma-separated list of fields in lowerCamelCase, such as title,author.givenName";
                    format!("{} is not {what}", quoted(text))
                })?;
                vec![Value::List(paths.into_iter().map(Value::String).collect())]
            }
        };
        message_with(descriptor, fields)
    }

    /// Writes a message of this type; `None` if it has no JSON form.
    pub(in crate::transcode) fn write(self, message: &DynamicMessage) -> Option<String> {
        let number = |field| message.get_field_by_number(field);
        match self {
            Self::Timestamp => {
                let (seconds, nanos) = (number(1)?.as_i64()?, number(2)?.as_i32()?);
                let is_valid = SECONDS_OF_TIMESTAMP.contains(&seconds)
                    && u32::try_from(nanos).is_ok_and(|nanos| nanos < NANOS_PER_SECOND);
                is_valid.then(|| Timestamp { seconds, nanos }.to_string())
            }
            Self::Duration => {
                let (seconds, nanos) = (number(1)?.as_i64()?, number(2)?.as_i32()?);
                let is_valid = seconds.unsigned_abs() <= MAX_SECONDS_OF_DURATION
                    && nanos.unsigned_abs() < NANOS_PER_SECOND
                    // "Must be of the same sign as the `seconds` field".
                    && seconds.signum() * i64::from(nanos.signum()) >= 0;
                is_valid.then(|| Duration { seconds, nanos }.to_string())
            }
            Self::FieldMask => {
                let paths = number(1)?;
                let paths = paths.as_list()?.iter().map(|path| camel_case(path.as_str()?));
                paths.collect::<Option<Vec<_>>>().map(|paths| paths.join(","))
            }
        }
    }
}

/// A message of the type with its first fields set.
pub(in crate::transcode) fn message_with(
    descriptor: &MessageDescriptor,
    fields: Vec<Value>,
) -> Result<DynamicMessage, String> {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (number, value) in (1..).zip(fields) {
        let field = descriptor.get_field(number).ok_or("the descriptor is not the published one")?;
        set(&mut message, &field, value)?;
    }
    Ok(message)
}

/// RFC 3339 with `T`, `Z` and at most nine fraction digits. A leap second does not exist in `Timestamp`.
fn timestamp(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(19)?;
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let fraction_end = rest.find(['Z', '+', '-'])?;
    let (fraction, offset) = rest.split_at_checked(fraction_end)?;
    let has_fraction = fraction.strip_prefix('.').is_some_and(is_fraction);
    let is_offset = offset == "Z"
        || offset.split_at_checked(1).is_some_and(|(_, offset)| {
            let clock =
                offset.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2);
            let below =
                |text: &str, limit| is_digits(text) && text.parse::<u8>().is_ok_and(|value| value < limit);
            clock.is_some_and(|(hours, minutes)| below(hours, 24) && below(minutes, 60))
        });
    let is_valid = shape == "0000-00-00T00:00:00"
        && date.get(17..).is_some_and(|second| second < "60")
        && (fraction.is_empty() || has_fraction)
        && is_offset;
    let time: Timestamp = text.parse().ok().filter(|_| is_valid)?;
    SECONDS_OF_TIMESTAMP.contains(&time.seconds).then_some(time)
}

fn duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let number = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let duration: Duration = text.parse().ok().filter(|_| is_digits(whole) && is_fraction(fraction))?;
    (duration.seconds.unsigned_abs() <= MAX_SECONDS_OF_DURATION).then_some(duration)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is the fraction of a second in at most nanoseconds.
fn is_fraction(text: &str) -> bool {
    text.len() <= 9 && is_digits(text)
}

fn mask(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(|path| snake_case(path).filter(|path| is_path(path))).collect()
}

/// Whether a text is a dotted path of field names.
pub(in crate::transcode) fn is_path(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.split('.').all(|name| {
        name.bytes().next().is_some_and(is_letter)
            && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
    })
}

/// The field names of a path in lowerCamelCase; `None` if it has underscores already.
fn snake_case(path: &str) -> Option<String> {
    let mut names = String::with_capacity(path.len());
    for character in path.chars() {
        if character == '_' {
            return None;
        }
        if character.is_ascii_uppercase() {
            names.push('_');
        }
        names.push(character.to_ascii_lowercase());
    }
    Some(names)
}

/// A path in lowerCamelCase; `None` if [`snake_case`] would not restore it ("irreversible", `field_mask.proto`).
fn camel_case(path: &str) -> Option<String> {
    let mut camel = String::with_capacity(path.len());
    let mut is_after_underscore = false;
    for character in path.chars() {
        if character != '_' {
            camel.push(if is_after_underscore { character.to_ascii_uppercase() } else { character });
        }
        is_after_underscore = character == '_';
    }
    (is_path(path) && snake_case(&camel).as_deref() == Some(path)).then_some(camel)
}
