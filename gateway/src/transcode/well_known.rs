//! Messages with a text form in a query: the well-known types that grpc-gateway accepts there.

use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

use super::{
    budget::Budget,
    duration,
    error::quoted,
    json::{self, Form, Text, is_path, message_with},
    scalar,
};

/// Reads `text` as a message of a well-known type, `depth` levels below the outermost one; `None` for `null`, which
/// leaves the field unset.
pub(super) fn parse(
    message: &MessageDescriptor,
    text: &str,
    budget: &Budget,
    depth: usize,
) -> Result<Option<Value>, String> {
    let name = message.full_name();
    let parsed = match Form::of(name) {
        Form::Text(Text::Timestamp | Text::Duration) if text == "null" => return Ok(None),
        Form::Text(Text::Timestamp) => Text::Timestamp.read(message, text)?,
        Form::Text(Text::Duration) => duration(message, text)?,
        Form::Text(Text::FieldMask) => field_mask(message, text)?,
        Form::Value => json(message, text, budget, depth)?,
        Form::FirstField if name == "google.protobuf.Struct" => json(message, text, budget, depth)?,
        Form::FirstField if name != "google.protobuf.ListValue" => wrapper(message, text)?,
        Form::FirstField | Form::Any | Form::Object => {
            return Err(format!("the field is a {name}: name one of its fields, as in `key.field=value`"));
        }
    };
    Ok(Some(Value::Message(parsed)))
}

fn duration(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let (seconds, nanos) = duration::parse(text)
        .ok_or_else(|| format!("{} is not a duration, such as 1.5s, 100ms or 2h45m", quoted(text)))?;
    message_with(message, vec![Value::I64(seconds), Value::I32(nanos)])
}

/// The paths, split at commas. Like grpc-gateway, this does not convert lowerCamelCase to field names.
fn field_mask(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let paths: Vec<_> = if text.is_empty() { Vec::new() } else { text.split(',').collect() };
    if !paths.iter().all(|path| is_path(path)) {
        let what = "a comma-separated list of fields, such as title,author.given_name";
        return Err(format!("{} is not {what}", quoted(text)));
    }
    let paths = paths.into_iter().map(|path| Value::String(path.to_owned()));
    message_with(message, vec![Value::List(paths.collect())])
}

/// A wrapper has the text form of the value it wraps.
fn wrapper(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let wrapped = message.get_field(1).ok_or("the descriptor is not the published one")?;
    message_with(message, vec![scalar::parse(&wrapped.kind(), text)?])
}

fn json(
    message: &MessageDescriptor,
    text: &str,
    budget: &Budget,
    depth: usize,
) -> Result<DynamicMessage, String> {
    json::message(message, text.as_bytes(), budget, depth).map_err(|error| {
        format!("{} is not the JSON of a {}: {}", quoted(text), message.full_name(), error.problem)
    })
}
