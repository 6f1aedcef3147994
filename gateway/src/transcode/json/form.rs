//! The JSON form of each message type.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// The types that every gateway knows, whatever it serves: Google's well-known types, and those of error details.
static KNOWN: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = DescriptorPool::global();
    // A test has all of them.
    let _ = pool.decode_file_descriptor_set(octet_proto::DESCRIPTOR_SET);
    pool
});

/// How the proto3 JSON mapping writes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transcode) enum Form {
    /// An object with an entry for each field.
    Object,
    /// `Any`: the object of its content, and the content's type.
    Any,
    /// The value of its first field: wrappers, `Struct` and `ListValue`.
    FirstField,
    /// `Value`: any JSON.
    Value,
    /// A string.
    Text(Text),
}

/// The messages that are written as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transcode) enum Text {
    Timestamp,
    Duration,
    FieldMask,
}

impl Form {
    pub(in crate::transcode) fn of(full_name: &str) -> Self {
        match full_name.strip_prefix("google.protobuf.") {
            Some("Any") => Self::Any,
            Some(
                "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
                | "BoolValue" | "StringValue" | "BytesValue" | "Struct" | "ListValue",
            ) => Self::FirstField,
            Some("Value") => Self::Value,
            Some("Timestamp") => Self::Text(Text::Timestamp),
            Some("Duration") => Self::Text(Text::Duration),
            Some("FieldMask") => Self::Text(Text::FieldMask),
            _ => Self::Object,
        }
    }

    /// The type that an `Any`'s type URL names, if `pool` or every gateway knows it.
    pub(in crate::transcode) fn type_of_url(
        pool: &DescriptorPool,
        type_url: &str,
    ) -> Option<MessageDescriptor> {
        let name = type_url.rsplit('/').next()?;
        pool.get_message_by_name(name).or_else(|| KNOWN.get_message_by_name(name))
    }

    /// Whether an `Any` with such a content has it below `value`. `Empty` is written there too.
    pub(super) fn is_special(full_name: &str) -> bool {
        Self::of(full_name) != Self::Object || full_name == "google.protobuf.Empty"
    }
}
