//! Values in object names.

/// How a partition's value stands in the names of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As Hive, Athena and `DuckDB` read it back: `%` and two digits for what is special in a path.
    Hive,
    /// As the S3 sink writes it: unchanged. Values with `/` make directories.
    Kafka,
}

const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

impl Escape {
    /// The text of a value in a name.
    pub(crate) fn value(self, value: Option<&str>) -> String {
        match (self, value) {
            (Self::Hive, None | Some("")) => HIVE_NULL.to_owned(),
            (Self::Hive, Some(value)) => hive(value),
            (Self::Kafka, None) => "null".to_owned(),
            (Self::Kafka, Some(value)) => value.to_owned(),
        }
    }
}

/// What a name says about a value that [`Escape::Hive`] wrote.
pub(crate) fn unescape(text: &str) -> Option<String> {
    if text == HIVE_NULL {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The characters of Hive's `FileUtils.escapePathName`, and those which S3 or `object_store` do not take.
fn hive(value: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        let is_special = character.is_ascii_control()
            || matches!(
                character,
                '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?' | '\\' | '{' | '[' | ']' | '^'
            );
        if is_special {
            let _ = write!(text, "%{:02X}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    // A whole part of a path must not be one of these.
    match text.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_escaped_as_hive_does() {
        for (value, text) in [
            ("Côte d'Ivoire", "Côte d%27Ivoire"),
            ("a/b", "a%2Fb"),
            ("50%", "50%25"),
            ("~x", "~x"),
            ("a=b#c", "a%3Db%23c"),
            ("..", "%2E%2E"),
            ("2026-01-01 10:00", "2026-01-01 10%3A00"),
        ] {
            assert_eq!(Escape::Hive.value(Some(value)), text);
        }
        assert_eq!(Escape::Hive.value(None), "__HIVE_DEFAULT_PARTITION__");
        assert_eq!(Escape::Hive.value(Some("")), "__HIVE_DEFAULT_PARTITION__");
    }

    #[test]
    fn the_s3_sinks_form_changes_nothing() {
        assert_eq!(Escape::Kafka.value(Some("a/b%")), "a/b%");
        assert_eq!(Escape::Kafka.value(None), "null");
    }

    proptest! {
        #[test]
        fn every_value_is_one_part_of_a_path_and_is_read_back(value in any::<String>()) {
            let text = Escape::Hive.value(Some(&value));
            prop_assert!(!text.contains('/') && !text.is_empty() && text != "." && text != "..");
            let path = format!("a/{text}/b");
            prop_assert!(object_store::path::Path::parse(path).is_ok());
            let read = unescape(&text);
            prop_assert_eq!(read, Some(value).filter(|value| !value.is_empty() && value != HIVE_NULL));
        }
    }
}
