//! Promises that several parsers share.

use octet_gateway::transcode::{RequestError, message_from_json, message_json};
use prost_reflect::{DynamicMessage, ReflectMessage, prost::Message as _};
use serde_json::Value;

/// Stands in a value that nobody may see again.
pub(crate) const SECRET: &str = "hunter2-Planted";

/// An error is one line for a log and a client, however long or odd the input was.
pub(crate) fn one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "control characters: {text:?}");
}

/// As [`one_line`], and short: nobody may fill a log or a header with one error.
pub(crate) fn short_line(text: &str) {
    one_line(text);
    assert!(text.len() <= 4096, "{} bytes: {}…", text.len(), text.get(..200).unwrap_or_default());
}

/// No trace of what was planted.
pub(crate) fn no_secret(text: &str) {
    assert!(!text.to_ascii_lowercase().contains(&SECRET.to_ascii_lowercase()), "a secret is told: {text}");
}

/// What a request became, if it became anything, can be sent on, and its JSON form says the same.
///
/// Answers whether there is one: a query can name a field mask's paths as JSON cannot.
pub(crate) fn request(made: Result<DynamicMessage, RequestError>) -> bool {
    let message = match made {
        Ok(message) => message,
        Err(error) => {
            short_line(&error.to_string());
            return true;
        }
    };
    let sent = message.encode_to_vec();
    let received = DynamicMessage::decode(message.descriptor(), sent.as_slice());
    let received = received.unwrap_or_else(|error| panic!("the upstream cannot read it: {error}"));

    let Some(written) = json(&message) else { return false };
    assert_eq!(json(&received).map(|json| value(&json)), Some(value(&written)), "the wire changed it");
    let again = read(&message, &written).unwrap_or_else(|error| panic!("{error}: {}", lossy(&written)));
    assert_eq!(value(&json(&again).expect("written again")), value(&written), "reading back changed it");
    true
}

/// The message's JSON, which is always JSON; `None` where it holds a value without a JSON form.
pub(crate) fn json(message: &DynamicMessage) -> Option<Vec<u8>> {
    let written = message_json(message).ok()?;
    // A list, as of `ListValue`, and `null`, as of `Value`, are a message's JSON too.
    value(&written);
    Some(written)
}

/// What JSON tells. Texts would differ where values do not: prost-reflect takes a nought with a sign for one without, which
/// it leaves out on the wire and in a wrapper.
pub(crate) fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", lossy(json)))
}

/// Reads a message of the type of `like`.
pub(crate) fn read(like: &DynamicMessage, json: &[u8]) -> Result<DynamicMessage, RequestError> {
    message_from_json(&like.descriptor(), json)
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
