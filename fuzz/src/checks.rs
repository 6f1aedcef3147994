//! Properties that several parsers share.

use octet_gateway::transcode::{RequestError, message_from_json, message_json};
use octet_topology::Findings;
use prost_reflect::{DynamicMessage, ReflectMessage, prost::Message as _};
use serde_json::Value;

/// Placed in values that must not be shown.
pub(crate) const SECRET: &str = "hunter2-Planted";

/// An error is one line for a log and a client, whatever the input was.
pub(crate) fn one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "control characters: {text:?}");
}

/// As [`one_line`], and short, so that one error cannot fill a log or a header.
pub(crate) fn short_line(text: &str) {
    one_line(text);
    assert!(text.len() <= 4096, "{} bytes: {}…", text.len(), text.get(..200).unwrap_or_default());
}

/// Findings have the order and the positions of the text.
pub(crate) fn check_findings(text: &str, findings: &Findings) {
    assert!(findings.len() > 0);
    assert!(findings.iter().is_sorted_by_key(|finding| (finding.line, finding.column)));
    let lines = text.split('\n').count();
    for finding in findings {
        assert!((1..=lines).contains(&finding.line) && finding.column >= 1, "{finding}");
        one_line(&finding.to_string());
    }
}

/// The text does not contain [`SECRET`].
pub(crate) fn no_secret(text: &str) {
    assert!(!text.to_ascii_lowercase().contains(&SECRET.to_ascii_lowercase()), "a secret is shown: {text}");
}

/// A request is refused with a short error, or its message can be sent, and its JSON form is equal to it.
///
/// Returns whether it has a JSON form: a query can set paths of a field mask that JSON cannot express.
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
    let received = received.unwrap_or_else(|error| panic!("the upstream cannot decode it: {error}"));

    let Some(written) = json(&message) else { return false };
    assert_eq!(json(&received).map(|json| value(&json)), Some(value(&written)), "the wire changed it");
    let again = read(&message, &written).unwrap_or_else(|error| panic!("{error}: {}", lossy(&written)));
    assert_eq!(value(&json(&again).expect("written again")), value(&written), "reading changed it");
    // An independent reader, where it supports the values, agrees.
    if let Ok(other) = read_strictly(&message, &written) {
        assert_eq!(value(&json(&other).expect("written again")), value(&written), "the readers differ");
    }
    true
}

/// The message's JSON; `None` if it contains a value without a JSON form.
pub(crate) fn json(message: &DynamicMessage) -> Option<Vec<u8>> {
    let written = message_json(message).ok()?;
    // Not always an object: `ListValue` is an array, `Value` can be `null`.
    value(&written);
    Some(written)
}

/// The value of a JSON text. Equal values can have different texts: on the wire, a wrapped negative zero loses its sign.
pub(crate) fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", lossy(json)))
}

/// Reads a message of the type of `like`.
pub(crate) fn read(like: &DynamicMessage, json: &[u8]) -> Result<DynamicMessage, RequestError> {
    message_from_json(&like.descriptor(), json)
}

/// As [`read`], with prost-reflect's reader: it refuses unknown fields, and some valid numbers.
pub(crate) fn read_strictly(like: &DynamicMessage, json: &[u8]) -> Result<DynamicMessage, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(like.descriptor(), &mut reader)?;
    reader.end().map(|()| message)
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
