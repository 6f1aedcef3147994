//! A greeting as a queue message: proto3 JSON of `greeting.v3.Greeting`.

use octet_backends::store::Document;
use serde::{Deserialize, Serialize};

use crate::greeting::{Greeting, uuid};

/// Why a message can never become a document. Its text is kept with the dead letter.
#[derive(Debug, thiserror::Error)]
pub enum MalformedMessage {
    /// Not proto3 JSON of a greeting.
    #[error("not a greeting in JSON: {0}")]
    Json(String),
    /// JSON, but not an object.
    #[error("not a greeting in JSON: not an object")]
    NotAnObject,
    /// JSON, but without an id that can name a document.
    #[error("the greeting's id is not a UUID")]
    Id,
}

/// The five fields under their JSON names, for writing.
#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    service: &'a str,
    message: &'a str,
    created: &'a str,
    hostname: &'a str,
}

/// The same for reading: an absent or null field has its default, as in proto3 JSON.
#[derive(Deserialize)]
struct Read {
    id: Option<String>,
    service: Option<String>,
    message: Option<String>,
    created: Option<String>,
    hostname: Option<String>,
}

/// The body of the message for a greeting.
pub(crate) fn encode_greeting(greeting: &Greeting) -> Vec<u8> {
    let Greeting { id, service, message, created, hostname } = greeting;
    to_json(&Written { id, service, message, created, hostname })
}

/// The body of the message for `document`.
pub fn encode(document: &Document) -> Vec<u8> {
    let Document { id, service, message, created, hostname } = document;
    to_json(&Written { id, service, message, created, hostname })
}

fn to_json(written: &Written<'_>) -> Vec<u8> {
    // Strings under string keys always have a JSON form.
    serde_json::to_vec(written).unwrap_or_default()
}

/// The document in a message's body, its id in lower case. Unknown fields are ignored.
///
/// # Errors
/// [`MalformedMessage`], which a retry cannot repair.
pub fn decode(body: &[u8]) -> Result<Document, MalformedMessage> {
    let read: Read = serde_json::from_slice(body).map_err(|error| MalformedMessage::Json(brief(&error)))?;
    // serde also accepts an array of the fields' values, which proto3 JSON does not allow.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(MalformedMessage::NotAnObject);
    }
    Ok(Document {
        id: uuid(&read.id.unwrap_or_default()).ok_or(MalformedMessage::Id)?,
        service: read.service.unwrap_or_default(),
        message: read.message.unwrap_or_default(),
        created: read.created.unwrap_or_default(),
        hostname: read.hostname.unwrap_or_default(),
    })
}

/// The parser's message on one line, cut: it may repeat its input.
fn brief(error: &serde_json::Error) -> String {
    const MAX_CHARACTERS: usize = 256;
    let line = error.to_string().replace(char::is_control, " ");
    match line.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => {
            let start = line.get(..end).unwrap_or_default();
            format!("{start}… at line {} column {}", error.line(), error.column())
        }
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_greeting_is_stored_unchanged() {
        let greeting = Greeting::new("service-d", "Shalom (שָׁלוֹם) \"quoted\"\n", "host");
        assert_eq!(decode(&encode_greeting(&greeting)).ok(), greeting.to_document());
    }

    #[test]
    fn a_message_is_plain_proto3_json() {
        let greeting = Greeting {
            id: "67e55044-10b1-426f-9247-bb680e5fe0c8".into(),
            service: "service-d".into(),
            message: "Shalom".into(),
            created: "2026-01-01T00:00:00.000000000Z".into(),
            hostname: "host".into(),
        };
        assert_eq!(
            String::from_utf8(encode_greeting(&greeting)).unwrap(),
            r#"{"id":"67e55044-10b1-426f-9247-bb680e5fe0c8","service":"service-d","message":"Shalom","created":"2026-01-01T00:00:00.000000000Z","hostname":"host"}"#
        );
    }

    #[test]
    fn an_id_in_upper_case_names_the_same_document() {
        let document = decode(br#"{"id":"67E55044-10B1-426F-9247-BB680E5FE0C8"}"#).unwrap();
        assert_eq!(document.id, "67e55044-10b1-426f-9247-bb680e5fe0c8");
    }

    #[test]
    fn null_and_absent_fields_are_empty_and_unknown_fields_are_ignored() {
        let body = br#"{"id":"67e55044-10b1-426f-9247-bb680e5fe0c8","service":null,"extra":[1]}"#;
        let document = decode(body).unwrap();
        assert_eq!((document.service.as_str(), document.message.as_str()), ("", ""));
    }

    #[test]
    fn a_malformed_message_is_refused_with_its_reason() {
        for (body, reason) in [
            (&b"Hello"[..], "not a greeting in JSON: expected value at line 1 column 1"),
            (br#"{"id":7}"#, "not a greeting in JSON: invalid type"),
            (b"{}", "the greeting's id is not a UUID"),
            (
                br#"["67e55044-10b1-426f-9247-bb680e5fe0c8",null,null,null,null]"#,
                "not a greeting in JSON: not an object",
            ),
            (b"", "not a greeting in JSON: EOF"),
            (b"\xff", "not a greeting in JSON"),
        ] {
            let error = decode(body).expect_err("refused").to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
