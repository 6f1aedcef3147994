//! Arbitrary messages from descriptors.

use proptest::{collection::vec, option, prelude::*, sample::select};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde_json::json;

use crate::library::message;

/// Any message that has a JSON form, with some of its fields set.
pub(crate) fn any_message(descriptor: &MessageDescriptor, depth: u32) -> BoxedStrategy<DynamicMessage> {
    if let Some(special) = special(descriptor) {
        return special;
    }
    let fields: Vec<_> = descriptor
        .fields()
        .filter(|field| depth > 0 || field.kind().as_message().is_none())
        .map(|field| {
            let kind = field.kind();
            let value = any_field(&field, depth).prop_map(move |value| (field.clone(), value));
            // An unset `Value` is written as null, as by protojson, and read as a `Value` of null.
            let always = kind.as_message().is_some_and(|kind| kind.full_name() == "google.protobuf.Value");
            if always { value.prop_map(Some).boxed() } else { option::of(value).boxed() }
        })
        .collect();
    let empty = DynamicMessage::new(descriptor.clone());
    fields
        .prop_map(move |fields| {
            let mut message = empty.clone();
            for (field, value) in fields.into_iter().flatten() {
                message.set_field(&field, value);
            }
            message
        })
        .boxed()
}

fn any_field(field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Value> {
    let kind = field.kind();
    if field.is_list() {
        return vec(any_value(&kind, depth), 0..3).prop_map(Value::List).boxed();
    }
    if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
        let key = any_value(&entry.map_entry_key_field().kind(), depth).prop_map(|key| match key {
            Value::Bool(key) => MapKey::Bool(key),
            Value::I32(key) => MapKey::I32(key),
            Value::U64(key) => MapKey::U64(key),
            Value::String(key) => MapKey::String(key),
            other => panic!("no map of the test proto has the key {other:?}"),
        });
        let value = any_value(&entry.map_entry_value_field().kind(), depth);
        return proptest::collection::hash_map(key, value, 0..3).prop_map(Value::Map).boxed();
    }
    any_value(&kind, depth)
}

fn any_value(kind: &Kind, depth: u32) -> BoxedStrategy<Value> {
    // NaN is not equal to itself; the conformance cases have it. prost-reflect does not read the largest 32-bit float.
    let double = any::<f64>().prop_filter("a number", |value| !value.is_nan());
    let float = any::<f32>().prop_filter("a number", |value| value.is_infinite() || value.abs() < f32::MAX);
    match kind {
        Kind::Double => double.prop_map(Value::F64).boxed(),
        Kind::Float => float.prop_map(Value::F32).boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => any::<i32>().prop_map(Value::I32).boxed(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => any::<i64>().prop_map(Value::I64).boxed(),
        Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::U32).boxed(),
        Kind::Uint64 | Kind::Fixed64 => any::<u64>().prop_map(Value::U64).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::String => any::<String>().prop_map(Value::String).boxed(),
        Kind::Bytes => vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        Kind::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => {
            Just(Value::EnumNumber(0)).boxed()
        }
        Kind::Enum(_) => (0..5).prop_map(Value::EnumNumber).boxed(),
        Kind::Message(message) => {
            any_message(message, depth.saturating_sub(1)).prop_map(Value::Message).boxed()
        }
    }
}

/// Well-known types whose fields cannot have arbitrary values.
fn special(descriptor: &MessageDescriptor) -> Option<BoxedStrategy<DynamicMessage>> {
    let of = descriptor.clone();
    let with = move |fields: Vec<(&str, Value)>| {
        let mut message = DynamicMessage::new(of.clone());
        for (name, value) in fields {
            message.set_field_by_name(name, value);
        }
        message
    };
    let time =
        |seconds: i64, nanos: i32| vec![("seconds", Value::I64(seconds)), ("nanos", Value::I32(nanos))];
    let from_json = |json: BoxedStrategy<serde_json::Value>| {
        let of = descriptor.clone();
        json.prop_map(move |json| DynamicMessage::deserialize(of.clone(), json).unwrap()).boxed()
    };
    let json = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i32>().prop_map(|value| json!(f64::from(value) / 8.0)),
        any::<String>().prop_map(|value| json!(value)),
        Just(json!({"a": [{}, 1.5, null]})),
    ];
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => Some(
            (-62_135_596_800_i64..=253_402_300_799, 0..1_000_000_000)
                .prop_map(move |(seconds, nanos)| with(time(seconds, nanos)))
                .boxed(),
        ),
        "google.protobuf.Duration" => Some(
            (0..=315_576_000_000_i64, 0..1_000_000_000, select(vec![1_i64, -1]))
                .prop_map(move |(seconds, nanos, sign)| {
                    with(time(sign * seconds, i32::try_from(sign).unwrap() * nanos))
                })
                .boxed(),
        ),
        "google.protobuf.FieldMask" => Some(
            vec("[a-z]{1,4}(_[a-z]{1,3})?([.][a-z]{1,3})?", 0..3)
                .prop_map(move |paths| {
                    with(vec![("paths", Value::List(paths.into_iter().map(Value::String).collect()))])
                })
                .boxed(),
        ),
        "google.protobuf.Any" => Some(
            any_message(&message("Nested"), 1)
                .prop_map(move |held| {
                    let url = Value::String("type.googleapis.com/library.v1.Nested".to_owned());
                    with(vec![("type_url", url), ("value", Value::Bytes(held.encode_to_vec().into()))])
                })
                .boxed(),
        ),
        "google.protobuf.Value" => Some(from_json(json.boxed())),
        "google.protobuf.ListValue" => Some(from_json(vec(json, 0..3).prop_map(|list| json!(list)).boxed())),
        "google.protobuf.Struct" => Some(from_json(json.prop_map(|value| json!({"k": value})).boxed())),
        _ => None,
    }
}
