//! `google.protobuf.Any` from JSON.

use std::{borrow::Cow, fmt, marker::PhantomData};

use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    Entry, MessageSeed, Next, Object,
    context::{Context, Step},
    scalar::TextSeed,
};
use crate::transcode::{
    budget::MESSAGE,
    error::{plain, quoted},
    json::{form::Form, text::message_with},
};

const TYPE: &str = "@type";

/// Reads an `Any`: an object of a type that its entry `@type` names. `{}` is the empty `Any`.
pub(super) struct AnyVisitor<'a>(pub(super) MessageSeed<'a>);

impl<'de> Visitor<'de> for AnyVisitor<'_> {
    type Value = DynamicMessage;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DynamicMessage, A::Error> {
        let MessageSeed { descriptor, context } = self.0;
        // The entries before `@type`, which mean nothing without it.
        let mut early: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        let type_url = loop {
            match map.next_key_seed(TextSeed("a string"))? {
                None if early.is_empty() => return Ok(DynamicMessage::new(descriptor.clone())),
                None => {
                    return Err(Error::custom(
                        "an object with the type of its message in `@type` is required",
                    ));
                }
                Some(key) if key == TYPE => {
                    let type_url = map.next_value_seed(TextSeed("a string"));
                    break context.within(|| Step::Name(TYPE.to_owned()), type_url)?;
                }
                Some(key) => {
                    let value = context
                        .within(|| Step::Name(key.clone().into_owned()), map.next_value::<&RawValue>())?;
                    // Counted as memory, though it is read twice instead: so nothing is read very often.
                    context.charge(size_of_val(&early) + key.len() + value.get().len())?;
                    early.push((key, value));
                }
            }
        };
        let unknown =
            || Error::custom(format!("{} is not the URL of a known message type", quoted(&type_url)));
        let of_content = Form::type_of_url(descriptor.parent_pool(), &type_url).ok_or_else(unknown);
        let of_content = context.within(|| Step::Name(TYPE.to_owned()), of_content)?;

        let mut content = Content::new(&of_content, context.deeper()?);
        for (key, value) in early {
            content.entry(&key, Early { value, error: PhantomData::<A::Error> })?;
        }
        while let Some(key) = map.next_key_seed(TextSeed("a string"))? {
            content.entry(&key, Next(&mut map))?;
        }
        let value = content.finish::<A::Error>()?.encode_to_vec();
        context.charge(MESSAGE + value.len())?;
        let fields = vec![Value::String(type_url.into_owned()), Value::Bytes(value.into())];
        message_with(descriptor, fields).map_err(Error::custom)
    }
}

/// A value that was read before its type was known.
struct Early<'de, E> {
    value: &'de RawValue,
    error: PhantomData<E>,
}

impl<'de, E: Error> Entry<'de> for Early<'de, E> {
    type Error = E;

    fn value<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, E> {
        let mut reader = serde_json::Deserializer::from_str(self.value.get());
        seed.deserialize(&mut reader).map_err(|error| E::custom(plain(&error)))
    }
}

/// The content of an `Any`.
enum Content<'a> {
    /// Its fields are entries beside `@type`.
    Object(Object<'a>),
    /// It is the entry `value`.
    Special { descriptor: &'a MessageDescriptor, value: Option<DynamicMessage>, context: Context<'a> },
}

impl<'a> Content<'a> {
    fn new(descriptor: &'a MessageDescriptor, context: Context<'a>) -> Self {
        if Form::is_special(descriptor.full_name()) {
            Self::Special { descriptor, value: None, context }
        } else {
            Self::Object(Object::new(descriptor, context))
        }
    }

    fn entry<'de, E: Entry<'de>>(&mut self, key: &str, entry: E) -> Result<(), E::Error> {
        if key == TYPE {
            return Err(E::Error::custom("`@type` occurs more than once"));
        }
        match self {
            Self::Object(object) => object.entry(key, entry),
            Self::Special { value: Some(_), .. } if key == "value" => {
                Err(E::Error::custom("`value` occurs more than once"))
            }
            Self::Special { descriptor, value, context } if key == "value" => {
                let read = entry.value(MessageSeed { descriptor, context: *context });
                *value = Some(context.within(|| Step::Name(key.to_owned()), read)?);
                Ok(())
            }
            Self::Special { .. } => entry.value(PhantomData::<IgnoredAny>).map(drop),
        }
    }

    fn finish<E: Error>(self) -> Result<DynamicMessage, E> {
        match self {
            Self::Object(object) => Ok(object.message),
            Self::Special { value: Some(message), .. } => Ok(message),
            // Protojson accepts this too.
            Self::Special { descriptor, .. } if descriptor.full_name() == "google.protobuf.Empty" => {
                Ok(DynamicMessage::new(descriptor.clone()))
            }
            Self::Special { descriptor, .. } => {
                Err(E::custom(format!("an Any with a {} requires the entry `value`", descriptor.full_name())))
            }
        }
    }
}
