//! The memory that a message will take when it is decoded, from its encoded form.
//!
//! prost-reflect cannot be stopped while it decodes, and needs up to 300 times a message's length.

use prost::encoding::{WireType, decode_key, decode_varint};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::{
    budget::{Budget, ELEMENT, ENTRY, FIELD, MESSAGE, RESPONSE_LIMIT},
    json::Form,
};

/// No message takes more than this many times its length.
const MAX_FACTOR: usize = 512;

/// The levels of messages that the writer of JSON accepts, contents of `Any` included.
const MAX_DEPTH: usize = 128;

/// Whether a response message is within its budget when decoded. What is malformed is left to the decoder.
pub(super) fn is_within_budget(message: &MessageDescriptor, wire: &[u8]) -> bool {
    if wire.len() <= RESPONSE_LIMIT / MAX_FACTOR {
        return true;
    }
    Walk { budget: Budget::of_response() }.message(Some(message), &mut &*wire, 0).is_some()
}

struct Walk {
    budget: Budget,
}

impl Walk {
    /// Counts a message up to the end of `wire`, or of its group. `None` if the budget is exceeded.
    fn message(&self, message: Option<&MessageDescriptor>, wire: &mut &[u8], depth: usize) -> Option<()> {
        if wire.is_empty() || depth > MAX_DEPTH {
            return Some(());
        }
        self.charge(MESSAGE)?;
        let start = *wire;
        while !wire.is_empty() {
            let Ok((number, wire_type)) = decode_key(wire) else { return self.rest(wire) };
            let field = message.and_then(|message| message.get_field(number));
            match wire_type {
                WireType::EndGroup => return Some(()),
                WireType::StartGroup => {
                    self.charge(ELEMENT + FIELD)?;
                    let kind = field.map(|field| field.kind());
                    self.message(kind.as_ref().and_then(Kind::as_message), wire, depth + 1)?;
                }
                WireType::LengthDelimited => {
                    let length = decode_varint(wire).ok().and_then(|length| usize::try_from(length).ok());
                    let Some((part, rest)) = length.and_then(|length| wire.split_at_checked(length)) else {
                        return self.rest(wire);
                    };
                    *wire = rest;
                    self.delimited(field.as_ref(), part, depth)?;
                }
                WireType::Varint => {
                    self.charge(scalar(field.as_ref()))?;
                    if decode_varint(wire).is_err() {
                        return self.rest(wire);
                    }
                }
                WireType::ThirtyTwoBit | WireType::SixtyFourBit => {
                    self.charge(scalar(field.as_ref()))?;
                    let length = if wire_type == WireType::ThirtyTwoBit { 4 } else { 8 };
                    let Some(rest) = wire.get(length..) else { return self.rest(wire) };
                    *wire = rest;
                }
            }
        }
        match message {
            Some(message) if message.full_name() == "google.protobuf.Any" => self.any(message, start, depth),
            _ => Some(()),
        }
    }

    fn delimited(&self, field: Option<&FieldDescriptor>, mut part: &[u8], depth: usize) -> Option<()> {
        // An unknown field is kept as its bytes.
        let Some(field) = field else { return self.charge(FIELD + part.len()) };
        match field.kind() {
            Kind::Message(message) => {
                self.charge(if field.is_map() { ENTRY } else { scalar(Some(field)) })?;
                self.message(Some(&message), &mut part, depth + 1)
            }
            Kind::String | Kind::Bytes => self.charge(scalar(Some(field)) + part.len()),
            kind => {
                let values = match kind {
                    Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => part.len() / 8,
                    Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => part.len() / 4,
                    _ => part.iter().filter(|byte| **byte < 0x80).count(),
                };
                self.charge(FIELD + values.saturating_mul(ELEMENT))
            }
        }
    }

    /// Counts the content of an `Any`, which is decoded when it is written.
    fn any(&self, message: &MessageDescriptor, mut wire: &[u8], depth: usize) -> Option<()> {
        let (mut type_url, mut value): (&[u8], &[u8]) = (&[], &[]);
        while let Ok((number, WireType::LengthDelimited)) = decode_key(&mut wire) {
            let length = decode_varint(&mut wire).ok().and_then(|length| usize::try_from(length).ok());
            let Some((part, rest)) = length.and_then(|length| wire.split_at_checked(length)) else { break };
            wire = rest;
            match number {
                1 => type_url = part,
                2 => value = part,
                _ => {}
            }
        }
        let type_url = std::str::from_utf8(type_url).unwrap_or_default();
        match Form::type_of_url(message.parent_pool(), type_url) {
            Some(content) => self.message(Some(&content), &mut value, depth + 1),
            None => Some(()),
        }
    }

    /// Counts the rest of a message that cannot be decoded.
    fn rest(&self, wire: &mut &[u8]) -> Option<()> {
        self.charge(std::mem::take(wire).len())
    }

    fn charge(&self, bytes: usize) -> Option<()> {
        self.budget.admits(bytes).then_some(())
    }
}

/// The memory of a value: an element of a list, or a field.
fn scalar(field: Option<&FieldDescriptor>) -> usize {
    if field.is_some_and(FieldDescriptor::is_list) { ELEMENT } else { FIELD }
}
