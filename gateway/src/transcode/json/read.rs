//! Messages from proto3 JSON.
//!
//! The rules are protojson's with `DiscardUnknown`, grpc-gateway's default: names are in lowerCamelCase or as in the
//! .proto file, unknown fields and unknown names of enum values are ignored, and a field can occur once. Numbers are read
//! from their text, so that none changes silently. prost-reflect's deserializer differs in all of these.
//!
//! Nesting is limited to what upstreams can decode, and memory by a [`Budget`].

mod any;
mod context;
mod scalar;

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map},
    fmt,
};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub(in crate::transcode) use self::context::ReadError;
use self::{
    any::AnyVisitor,
    context::{Context, Step},
    scalar::{TextSeed, map_key, scalar},
};
use super::form::Form;
use crate::transcode::{
    budget::{Budget, ELEMENT, ENTRY, MESSAGE},
    field_path::check_oneof,
};

/// Reads a message, `depth` levels below the outermost one.
pub(in crate::transcode) fn message(
    descriptor: &MessageDescriptor,
    json: &[u8],
    budget: &Budget,
    depth: usize,
) -> Result<DynamicMessage, ReadError> {
    let path = RefCell::default();
    read(MessageSeed { descriptor, context: Context { budget, depth, path: &path } }, json, &path)
}

/// Reads the value of a field of the outermost message; `None` for `null`, which leaves the field unset.
pub(in crate::transcode) fn field(
    field: &FieldDescriptor,
    json: &[u8],
    budget: &Budget,
) -> Result<Option<Value>, ReadError> {
    let path = RefCell::default();
    read(FieldSeed { field, context: Context { budget, depth: 0, path: &path } }, json, &path)
}

fn read<'j, S: DeserializeSeed<'j>>(
    seed: S,
    json: &'j [u8],
    path: &RefCell<Vec<Step>>,
) -> Result<S::Value, ReadError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| ReadError::new(&error, path))
}

/// Reads a message.
struct MessageSeed<'a> {
    descriptor: &'a MessageDescriptor,
    context: Context<'a>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = DynamicMessage;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<DynamicMessage, D::Error> {
        match Form::of(self.descriptor.full_name()) {
            Form::Object => deserializer.deserialize_map(ObjectVisitor(self)),
            Form::Any => deserializer.deserialize_map(AnyVisitor(self)),
            Form::FirstField => {
                let Self { descriptor, context } = self;
                let field = published(descriptor, 1)?;
                let value = FieldSeed { field: &field, context }.not_null(deserializer)?;
                context.message(descriptor, value.map(|value| (field, value)))
            }
            Form::Value => deserializer.deserialize_any(ValueVisitor(self)),
            Form::Text(form) => {
                let text = TextSeed("a string").deserialize(deserializer)?;
                // At most a path of a mask for every two characters.
                self.context.charge(MESSAGE + text.len() * ELEMENT / 2)?;
                form.read(self.descriptor, &text).map_err(Error::custom)
            }
        }
    }
}

fn published<E: Error>(descriptor: &MessageDescriptor, number: u32) -> Result<FieldDescriptor, E> {
    let field = descriptor.get_field(number);
    field.ok_or_else(|| {
        E::custom(format!("the descriptor of {} is not the published one", descriptor.full_name()))
    })
}

/// Reads an object with an entry for each field. `Empty` is one without fields.
struct ObjectVisitor<'a>(MessageSeed<'a>);

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = DynamicMessage;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DynamicMessage, A::Error> {
        let mut object = Object::new(self.0.descriptor, self.0.context);
        while let Some(key) = map.next_key_seed(TextSeed("a string"))? {
            object.entry(&key, Next(&mut map))?;
        }
        Ok(object.message)
    }
}

/// Where the value of an entry comes from: an object that is being read, or one that was read before.
trait Entry<'de> {
    type Error: Error;

    fn value<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Self::Error>;
}

/// The next value of an object.
struct Next<'a, A>(&'a mut A);

impl<'de, A: MapAccess<'de>> Entry<'de> for Next<'_, A> {
    type Error = A::Error;

    fn value<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

/// A message of which some entries have been read.
struct Object<'a> {
    message: DynamicMessage,
    descriptor: &'a MessageDescriptor,
    /// The numbers of the fields that have been read, `null` included.
    seen: Vec<u32>,
    context: Context<'a>,
}

impl<'a> Object<'a> {
    fn new(descriptor: &'a MessageDescriptor, context: Context<'a>) -> Self {
        Self { message: DynamicMessage::new(descriptor.clone()), descriptor, seen: Vec::new(), context }
    }

    fn entry<'de, E: Entry<'de>>(&mut self, key: &str, entry: E) -> Result<(), E::Error> {
        let by_name = || self.descriptor.get_field_by_name(key);
        let Some(field) = self.descriptor.get_field_by_json_name(key).or_else(by_name) else {
            return entry.value(std::marker::PhantomData::<IgnoredAny>).map(drop);
        };
        let name = || Step::Name(key.to_owned());
        if self.seen.contains(&field.number()) {
            return self.context.within(name, Err(E::Error::custom("the field occurs more than once")));
        }
        self.seen.push(field.number());
        let value = entry.value(FieldSeed { field: &field, context: self.context });
        let Some(value) = self.context.within(name, value)? else {
            return Ok(());
        };
        let set = check_oneof(&self.message, &field).map_err(Error::custom);
        let set = set.and_then(|()| self.context.set(&mut self.message, &field, value));
        self.context.within(name, set)
    }
}

/// Reads a field's whole value: a list, a map or a single value. `None` leaves the field unset.
struct FieldSeed<'a> {
    field: &'a FieldDescriptor,
    context: Context<'a>,
}

impl FieldSeed<'_> {
    fn not_null<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        let Self { field, context } = self;
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let map = deserializer.deserialize_map(MapVisitor { entry: &entry, context })?;
                Ok(Some(Value::Map(map)))
            }
            kind if field.is_list() => {
                let list = deserializer.deserialize_seq(ListVisitor { kind: &kind, context })?;
                Ok(Some(Value::List(list)))
            }
            kind => ElementSeed { kind: &kind, context }.deserialize(deserializer),
        }
    }
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        let is_single = !self.field.is_list() && !self.field.is_map();
        if is_single && has_null(&self.field.kind()) {
            return self.not_null(deserializer);
        }
        deserializer.deserialize_option(self)
    }
}

/// Whether `null` is a value of the type.
fn has_null(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => Form::of(message.full_name()) == Form::Value,
        Kind::Enum(kind) => kind.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = Option<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_none<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        self.not_null(deserializer)
    }
}

/// Reads a single value, or one of a list or a map; `None` for an unknown name of an enum value.
struct ElementSeed<'a> {
    kind: &'a Kind,
    context: Context<'a>,
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        let Self { kind, context } = self;
        match kind {
            Kind::Message(descriptor) => {
                let message =
                    MessageSeed { descriptor, context: context.deeper()? }.deserialize(deserializer)?;
                Ok(Some(Value::Message(message)))
            }
            kind => scalar(kind, context, deserializer),
        }
    }
}

struct ListVisitor<'a> {
    kind: &'a Kind,
    context: Context<'a>,
}

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Vec<Value>, A::Error> {
        let Self { kind, context } = self;
        let mut list = Vec::new();
        for index in 0.. {
            let element = array.next_element_seed(ElementSeed { kind, context });
            let Some(element) = context.within(|| Step::Index(index), element)? else {
                break;
            };
            context.charge(ELEMENT)?;
            list.extend(element);
        }
        Ok(list)
    }
}

struct MapVisitor<'a> {
    entry: &'a MessageDescriptor,
    context: Context<'a>,
}

impl<'de> Visitor<'de> for MapVisitor<'_> {
    type Value = HashMap<MapKey, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        // On the wire an entry is a message.
        let context = self.context.deeper()?;
        let key_kind = self.entry.map_entry_key_field().kind();
        let kind = &self.entry.map_entry_value_field().kind();
        let mut map = HashMap::new();
        while let Some(text) = object.next_key_seed(TextSeed("a string"))? {
            let name = || Step::Name(text.clone().into_owned());
            context.charge(ENTRY + text.len())?;
            let key = context.within(name, map_key(&key_kind, &text).map_err(Error::custom))?;
            let value = context.within(name, object.next_value_seed(ElementSeed { kind, context }))?;
            match (map.entry(key), value) {
                (hash_map::Entry::Occupied(_), _) => {
                    return context.within(name, Err(Error::custom("the key occurs more than once")));
                }
                (hash_map::Entry::Vacant(entry), Some(value)) => drop(entry.insert(value)),
                (hash_map::Entry::Vacant(_), None) => {}
            }
        }
        Ok(map)
    }
}

/// Reads any JSON as a `google.protobuf.Value`.
struct ValueVisitor<'a>(MessageSeed<'a>);

impl ValueVisitor<'_> {
    fn with<E: Error>(self, number: u32, value: Value) -> Result<DynamicMessage, E> {
        let MessageSeed { descriptor, context } = self.0;
        let field = published(descriptor, number)?;
        context.message(descriptor, Some((field, value)))
    }

    /// The message of a field, `Struct` or `ListValue`, and the fields it is made of.
    fn inner<E: Error>(&self, number: u32) -> Result<(MessageDescriptor, FieldDescriptor, Context<'_>), E> {
        let MessageSeed { descriptor, context } = &self.0;
        let Kind::Message(inner) = published::<E>(descriptor, number)?.kind() else {
            return Err(E::custom("the descriptor of google.protobuf.Value is not the published one"));
        };
        let field = published(&inner, 1)?;
        Ok((inner, field, context.deeper()?))
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_> {
    type Value = DynamicMessage;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<DynamicMessage, E> {
        self.with(1, Value::EnumNumber(0))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<DynamicMessage, E> {
        self.with(2, Value::F64(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON's numbers are doubles here: the nearest one")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<DynamicMessage, E> {
        self.visit_f64(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON's numbers are doubles here: the nearest one")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<DynamicMessage, E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<DynamicMessage, E> {
        self.0.context.charge(value.len())?;
        self.with(3, Value::String(value.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<DynamicMessage, E> {
        self.with(4, Value::Bool(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DynamicMessage, A::Error> {
        let (descriptor, field, context) = self.inner(5)?;
        let Kind::Message(entry) = field.kind() else {
            return Err(Error::custom("the descriptor of google.protobuf.Struct is not the published one"));
        };
        let map = MapVisitor { entry: &entry, context }.visit_map(map)?;
        let inner = context.message(&descriptor, Some((field, Value::Map(map))))?;
        self.with(5, Value::Message(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<DynamicMessage, A::Error> {
        let (descriptor, field, context) = self.inner(6)?;
        let list = ListVisitor { kind: &field.kind(), context }.visit_seq(array)?;
        let inner = context.message(&descriptor, Some((field, Value::List(list))))?;
        self.with(6, Value::Message(inner))
    }
}
