//! A message's body on the queue.

use octet_backends::store::Document;
use octet_greeting::{decode_message, encode_message};
use prost_reflect::{DeserializeOptions, DynamicMessage};

use crate::{
    checks::short_line,
    library::{GREETING, message},
};

pub(crate) fn run(bytes: &[u8]) {
    let document = match decode_message(bytes) {
        Ok(document) => document,
        // It is logged, and stored with the dead letter.
        Err(reason) => return short_line(&reason.to_string()),
    };
    let again = decode_message(&encode_message(&document)).expect("a published message can be stored");
    assert_eq!(again, document);

    // An independent reader of proto3 JSON agrees.
    let read = proto3(bytes).unwrap_or_else(|error| panic!("not a greeting's JSON: {error}"));
    assert_eq!(read, document);
}

fn proto3(bytes: &[u8]) -> Result<Document, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let greeting = message(&GREETING.0, "greeting.v3.Greeting");
    let greeting = DynamicMessage::deserialize_with_options(greeting, &mut reader, &options)?;
    reader.end()?;
    let text = |name| {
        let value = greeting.get_field_by_name(name).expect("a field of a greeting");
        value.as_str().expect("a text").to_owned()
    };
    Ok(Document {
        id: text("id").to_ascii_lowercase(),
        service: text("service"),
        message: text("message"),
        created: text("created"),
        hostname: text("hostname"),
    })
}
