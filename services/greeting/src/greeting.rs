//! The greeting of the domain, and its conversions from and to the wire and the store.

use std::time::SystemTime;

use octet_backends::store::Document;
use octet_proto::greeting::v3 as proto;
use uuid::Uuid;

/// One service's answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// A UUID where Octet made it; unchecked where a caller sent it.
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) message: String,
    /// RFC 3339 in UTC with nanoseconds.
    pub(crate) created: String,
    pub(crate) hostname: String,
}

impl Greeting {
    /// A new greeting of `service`, made now.
    pub(crate) fn new(service: &str, message: &str, hostname: &str) -> Self {
        Self {
            // Version 7 starts with the time, so that databases append to their index instead of writing all over it.
            id: Uuid::now_v7().to_string(),
            service: service.to_owned(),
            message: message.to_owned(),
            created: humantime::format_rfc3339_nanos(SystemTime::now()).to_string(),
            hostname: hostname.to_owned(),
        }
    }

    /// The document to store; `None` when its id is not a UUID.
    pub(crate) fn to_document(&self) -> Option<Document> {
        Some(Document {
            id: uuid(&self.id)?,
            service: self.service.clone(),
            message: self.message.clone(),
            created: self.created.clone(),
            hostname: self.hostname.clone(),
        })
    }
}

/// The UUID in `text`, of 36 characters, in lower case: another form would be a second id of the same document.
pub(crate) fn uuid(text: &str) -> Option<String> {
    (text.len() == 36 && Uuid::try_parse(text).is_ok()).then(|| text.to_ascii_lowercase())
}

impl From<proto::Greeting> for Greeting {
    fn from(wire: proto::Greeting) -> Self {
        let proto::Greeting { id, service, message, created, hostname, padding: _ } = wire;
        Self { id, service, message, created, hostname }
    }
}

impl From<Greeting> for proto::Greeting {
    fn from(greeting: Greeting) -> Self {
        let Greeting { id, service, message, created, hostname } = greeting;
        Self { id, service, message, created, hostname, padding: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_has_a_uuid_and_a_time_in_utc_with_nanoseconds() {
        let greeting = Greeting::new("service-a", "Hello", "host");
        assert!(greeting.to_document().is_some());
        assert_eq!(greeting.created.len(), "2026-01-01T00:00:00.000000000Z".len());
        assert!(greeting.created.ends_with('Z'));
    }

    #[test]
    fn a_uuid_has_36_characters_and_becomes_lower_case() {
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        assert_eq!(uuid(id).as_deref(), Some(id));
        assert_eq!(uuid(&id.to_uppercase()).as_deref(), Some(id));
        for other in
            [id.replace('-', ""), format!("{{{id}}}"), format!("urn:uuid:{id}"), String::new(), "x".into()]
        {
            assert_eq!(uuid(&other), None, "{other}");
        }
    }
}
