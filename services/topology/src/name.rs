//! The validated texts of a topology.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::{limits::MAX_GREETING_BYTES, quote::quoted};

/// A text that is invalid for its type; the message contains the rule.
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

/// Defines a validated text with the traits of every such type.
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
    /// A service's name: a DNS-1123 label that starts with a letter.
    ///
    /// It becomes a Kubernetes name, a host name and the prefix of environment variables. The platform's own names are
    /// reserved: the address of an upstream called `store` would be read from `STORE_URL`.
    ServiceName is a "service name" by service_name
}

text! {
    /// A queue's name.
    ///
    /// RabbitMQ reserves `amq.`, and `<queue>.dlq` is a queue's dead-letter queue.
    QueueName is a "queue name" by queue_name
}

text! {
    /// A database's name; with SQLite it becomes a file's name.
    ///
    /// MongoDB reserves `admin`, `config` and `local`.
    DatabaseName is a "database name" by database_name
}

text! {
    /// A collection's name; MongoDB reserves `system.`.
    CollectionName is a "collection name" by collection_name
}

text! {
    /// The text of a greeting: one line, not blank, of at most 1,024 bytes.
    GreetingText is a "greeting" by greeting_text
}

impl ServiceName {
    /// The prefix of its environment variables: `SERVICE_B` for `service-b`.
    ///
    /// Different names have different prefixes, since a name contains no `_`.
    pub fn env_prefix(&self) -> String {
        self.0.to_ascii_uppercase().replace('-', "_")
    }
}

/// The names of the platform's own programs, and those whose `<NAME>_URL` has another meaning.
pub(crate) const RESERVED_SERVICES: [&str; 5] = ["collector", "gateway", "queue", "store", "trace-query"];

fn service_name(text: &str) -> Result<(), &'static str> {
    if !octet_fault::is_label(text) {
        Err("use 1 to 63 lower-case letters, digits and '-', starting with a letter and not ending with '-'")
    } else if RESERVED_SERVICES.contains(&text) {
        Err("collector, gateway, queue, store and trace-query are reserved")
    } else {
        Ok(())
    }
}

fn queue_name(text: &str) -> Result<(), &'static str> {
    if !(1..=127).contains(&text.len()) || !text.bytes().all(is_name_byte) || text.starts_with('.') {
        Err("use 1 to 127 letters, digits, '.', '-' and '_', not starting with '.'")
    } else if text.starts_with("amq.") {
        Err("RabbitMQ reserves names that start with 'amq.'")
    } else if matches!(text.rsplit_once('.'), Some((_, "dlq"))) {
        Err("names that end with '.dlq' are reserved for dead letters")
    } else {
        Ok(())
    }
}

fn database_name(text: &str) -> Result<(), &'static str> {
    if !(1..=63).contains(&text.len()) || !text.bytes().all(|byte| byte != b'.' && is_name_byte(byte)) {
        Err("use 1 to 63 letters, digits, '-' and '_'")
    } else if ["admin", "config", "local"].iter().any(|own| text.eq_ignore_ascii_case(own)) {
        Err("MongoDB reserves admin, config and local")
    } else {
        Ok(())
    }
}

fn collection_name(text: &str) -> Result<(), &'static str> {
    let dotted = text.starts_with('.') || text.ends_with('.') || text.contains("..");
    if !(1..=63).contains(&text.len()) || !text.bytes().all(is_name_byte) || dotted {
        Err("use 1 to 63 letters, digits, '-', '_' and single '.' between them")
    } else if text.starts_with("system.") {
        Err("MongoDB reserves names that start with 'system.'")
    } else {
        Ok(())
    }
}

fn greeting_text(text: &str) -> Result<(), &'static str> {
    let breaks_line =
        |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if text.trim().is_empty() {
        Err("it is blank")
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

    /// Checks that a `T` accepts the good texts and refuses the bad ones.
    fn assert_accepts<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?} should be accepted");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn a_service_name_is_a_dns_label_that_starts_with_a_letter() {
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        assert_accepts::<ServiceName>(
            &["a", "service-a", "a1", "a--b", &longest],
            &["", "1a", "-a", "a-", "A", "a_b", "a.b", "é", "a\n", " a", &too_long],
        );
    }

    #[test]
    fn the_platforms_own_names_are_reserved() {
        assert_accepts::<ServiceName>(
            &["stores"],
            &["collector", "gateway", "queue", "store", "trace-query"],
        );
    }

    #[test]
    fn a_queue_name_is_not_one_that_the_broker_or_dead_letters_use() {
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
    fn a_collection_name_can_contain_single_dots() {
        assert_accepts::<CollectionName>(
            &["greetings", "a.b", "systems"],
            &["", ".a", "a.", "a..b", "a/b", "system.users", "a$b"],
        );
    }

    #[test]
    fn a_greeting_is_one_line_that_is_not_blank() {
        let (longest, too_long) = ("é".repeat(512), "é".repeat(513));
        assert_accepts::<GreetingText>(
            &["Shalom (שָׁלוֹם), from Service D!", "x", &longest],
            &["", " \t", "\u{3000}", "a\nb", "a\u{7}", "a\u{2028}b", &too_long],
        );
    }

    #[test]
    fn a_service_name_determines_the_prefix_of_its_variables() {
        let name: ServiceName = "service-b2".parse().unwrap();
        assert_eq!(name.env_prefix(), "SERVICE_B2");
    }

    #[test]
    fn a_refusal_quotes_the_text_on_one_line_and_names_the_rule() {
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
