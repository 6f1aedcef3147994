//! The texts a topology is made of; a value of these types keeps its rule.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::{limits::MAX_GREETING_BYTES, quote::quoted};

/// A text that breaks the rule of the type it was to become; its message says the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a {kind}: {rule}")]
pub struct InvalidText {
    given: String,
    kind: &'static str,
    rule: &'static str,
}

impl InvalidText {
    pub(crate) fn new(given: &str, kind: &'static str, rule: &'static str) -> Self {
        Self { given: quoted(given), kind, rule }
    }
}

/// A validated text, and the traits that every such type offers.
macro_rules! text {
    ($(#[$attribute:meta])* $name:ident is a $kind:literal by $rule:ident) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                match $rule(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(rule) => Err(InvalidText::new(text, $kind, rule)),
                }
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}

text! {
    /// A service's name: a DNS-1123 label that begins with a letter.
    ///
    /// It becomes a Kubernetes name, a host name and the start of an environment variable, so it may not be one
    /// of the platform's own either: an upstream called `store` would be looked for at `STORE_URL`.
    ServiceName is a "service name" by service_name
}

text! {
    /// A queue's name.
    ///
    /// RabbitMQ keeps `amq.` for itself, and `<queue>.dlq` is where a queue's dead letters go.
    QueueName is a "queue name" by queue_name
}

text! {
    /// A database's name; it becomes the name of a file where the store is SQLite.
    ///
    /// `admin`, `config` and `local` are MongoDB's own, and the last is not replicated.
    DatabaseName is a "database name" by database_name
}

text! {
    /// A collection's name; MongoDB keeps `system.` for itself.
    CollectionName is a "collection name" by collection_name
}

text! {
    /// What a service greets with: one line, not blank, of at most 1,024 bytes.
    ///
    /// An answer of [`MAX_GREETINGS`](crate::MAX_GREETINGS) such greetings stays well below the 4 MiB that a
    /// gRPC client accepts by default.
    GreetingText is a "greeting" by greeting_text
}

impl ServiceName {
    /// The name as environment variables begin with it: `SERVICE_B` for `service-b`.
    ///
    /// Different names give different prefixes, since a name holds no `_`.
    pub fn env_prefix(&self) -> String {
        self.0.to_ascii_uppercase().replace('-', "_")
    }
}

/// Names the platform's own programs go by, or whose `<NAME>_URL` means something else.
const RESERVED_SERVICES: [&str; 5] = ["collector", "gateway", "queue", "store", "trace-query"];

fn service_name(text: &str) -> Result<(), &'static str> {
    let label = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-');
    if !label {
        Err("use 1 to 63 lower-case letters, digits and '-', a letter first and no '-' last")
    } else if RESERVED_SERVICES.contains(&text) {
        Err("collector, gateway, queue, store and trace-query are the platform's own")
    } else {
        Ok(())
    }
}

fn queue_name(text: &str) -> Result<(), &'static str> {
    if !(1..=127).contains(&text.len()) || !text.bytes().all(is_name_byte) || text.starts_with('.') {
        Err("use 1 to 127 letters, digits, '.', '-' and '_', and no '.' first")
    } else if text.starts_with("amq.") {
        Err("names that begin with 'amq.' are RabbitMQ's own")
    } else if matches!(text.rsplit_once('.'), Some((_, "dlq"))) {
        Err("names that end with '.dlq' are for dead letters")
    } else {
        Ok(())
    }
}

fn database_name(text: &str) -> Result<(), &'static str> {
    if !(1..=63).contains(&text.len()) || !text.bytes().all(|byte| byte != b'.' && is_name_byte(byte)) {
        Err("use 1 to 63 letters, digits, '-' and '_'")
    } else if ["admin", "config", "local"].iter().any(|own| text.eq_ignore_ascii_case(own)) {
        Err("admin, config and local are MongoDB's own")
    } else {
        Ok(())
    }
}

fn collection_name(text: &str) -> Result<(), &'static str> {
    let dotted = text.starts_with('.') || text.ends_with('.') || text.contains("..");
    if !(1..=63).contains(&text.len()) || !text.bytes().all(is_name_byte) || dotted {
        Err("use 1 to 63 letters, digits, '-', '_' and single '.' inside")
    } else if text.starts_with("system.") {
        Err("names that begin with 'system.' are MongoDB's own")
    } else {
        Ok(())
    }
}

fn greeting_text(text: &str) -> Result<(), &'static str> {
    let breaks_line =
        |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if text.trim().is_empty() {
        Err("it says nothing")
    } else if text.len() > MAX_GREETING_BYTES {
        Err("use at most 1,024 bytes")
    } else if text.contains(breaks_line) {
        Err("use one line without control characters")
    } else {
        Ok(())
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each text is accepted as a `T`.
    fn assert_accepts<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?} should be accepted");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn a_service_name_is_a_dns_label_that_begins_with_a_letter() {
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        assert_accepts::<ServiceName>(
            &["a", "service-a", "a1", "a--b", &longest],
            &["", "1a", "-a", "a-", "A", "a_b", "a.b", "é", "a\n", " a", &too_long],
        );
    }

    #[test]
    fn a_service_does_not_take_a_name_of_the_platform() {
        assert_accepts::<ServiceName>(
            &["stores"],
            &["collector", "gateway", "queue", "store", "trace-query"],
        );
    }

    #[test]
    fn a_queue_name_leaves_the_brokers_and_the_dead_letters_names_alone() {
        let (longest, too_long) = ("q".repeat(127), "q".repeat(128));
        assert_accepts::<QueueName>(
            &["service-d.greeting", "Q_1", "-", "amqp", &longest],
            &["", ".a", "amq.direct", "a b", "a/b", "a.dlq", "ü", &too_long],
        );
    }

    #[test]
    fn a_database_name_can_be_a_file_name() {
        let (longest, too_long) = ("d".repeat(63), "d".repeat(64));
        assert_accepts::<DatabaseName>(
            &["service-c", "Db_1", &longest],
            &["", "a.b", "../a", "a/b", "a\\b", "a b", "admin", "Local", &too_long],
        );
    }

    #[test]
    fn a_collection_name_holds_single_dots_inside() {
        assert_accepts::<CollectionName>(
            &["greetings", "a.b", "systems"],
            &["", ".a", "a.", "a..b", "a/b", "system.users", "a$b"],
        );
    }

    #[test]
    fn a_greeting_is_one_line_that_says_something() {
        let (longest, too_long) = ("é".repeat(512), "é".repeat(513));
        assert_accepts::<GreetingText>(
            &["Shalom (שָׁלוֹם), from Service D!", "x", &longest],
            &["", " \t", "\u{3000}", "a\nb", "a\u{7}", "a\u{2028}b", &too_long],
        );
    }

    #[test]
    fn a_service_name_gives_the_prefix_of_its_variables() {
        let name: ServiceName = "service-b2".parse().unwrap();
        assert_eq!(name.env_prefix(), "SERVICE_B2");
    }

    #[test]
    fn a_refusal_quotes_the_text_on_one_line_and_says_the_rule() {
        let refusal = "a\nb".repeat(40).parse::<QueueName>().unwrap_err().to_string();
        assert!(refusal.starts_with(r#""a\nba\nb"#), "{refusal}");
        assert!(refusal.contains("... is not a queue name: use 1 to 127 letters"), "{refusal}");
        assert!(refusal.len() < 250, "{refusal}");
    }

    #[test]
    fn a_name_pads_like_any_text() {
        let name: ServiceName = "service-b".parse().unwrap();
        assert_eq!(format!("{name:<11}|"), "service-b  |");
    }
}
