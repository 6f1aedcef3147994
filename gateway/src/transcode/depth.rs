//! Checks how deep a message nests: protobuf's decoders stop at 100 levels, so no upstream could read a deeper one.

use prost_reflect::{DynamicMessage, Value};

/// The levels below the outermost message that every decoder accepts.
const MAX_DEPTH: usize = 100;

/// Whether an upstream can decode `message`.
pub(super) fn is_decodable(message: &DynamicMessage) -> bool {
    fits(message, MAX_DEPTH)
}

fn fits(message: &DynamicMessage, left: usize) -> bool {
    message.fields().all(|(_, value)| value_fits(value, left))
}

fn value_fits(value: &Value, left: usize) -> bool {
    match value {
        Value::Message(message) => left > 0 && fits(message, left - 1),
        Value::List(values) => values.iter().all(|value| value_fits(value, left)),
        // On the wire an entry is a message.
        Value::Map(entries) => {
            entries.is_empty() || (left > 0 && entries.values().all(|value| value_fits(value, left - 1)))
        }
        _ => true,
    }
}
