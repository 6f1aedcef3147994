//! The connector files of Kafka Connect: an object of keys, or `{"name": …, "config": {…}}`.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::{Written, secrets};
use crate::{CONNECT_DEFAULTS, Findings, Keys};

const SOURCES: [&str; 2] =
    ["io.confluent.connect.jdbc.JdbcSourceConnector", "io.aiven.connect.jdbc.JdbcSourceConnector"];
const SINKS: [&str; 1] = ["io.confluent.connect.s3.S3SinkConnector"];

/// Reads connector files. What is wrong is added to `findings`.
pub fn connectors(
    paths: &[impl AsRef<Path>],
    variable: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Written {
    let mut written = Written::default();
    for path in paths {
        let path = path.as_ref();
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match secrets::read(path) {
            Ok(text) => connector(&name, &text, variable, &mut written, findings),
            Err(error) => findings.errors.push(format!("{}: {error}", path.display())),
        }
    }
    written
}

fn connector(
    file: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    written: &mut Written,
    findings: &mut Findings,
) {
    let parsed = serde_json::from_str(text).or_else(|error| {
        // The files of 2021 have some.
        let repaired = serde_json::from_str::<Value>(&without_trailing_commas(text));
        repaired
            .inspect(|_| findings.warnings.push(format!("{file}: a trailing comma is ignored")))
            .map_err(|_| error)
    });
    let object = match parsed {
        Ok(Value::Object(object)) => object,
        Ok(_) => return findings.errors.push(format!("{file}: must be a JSON object")),
        Err(error) => return findings.errors.push(format!("{file}: {error}")),
    };
    let name = object.get("name").and_then(Value::as_str).unwrap_or(file).to_owned();
    let config = match object.get("config") {
        Some(Value::Object(config)) => config.clone(),
        _ => object,
    };
    let mut values = BTreeMap::new();
    for (key, value) in config {
        let value = match value {
            Value::String(text) => text,
            Value::Null => continue,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                findings.errors.push(format!("{name}: {key} must be a text, a number or a boolean"));
                continue;
            }
        };
        match secrets::resolve(&value, variable) {
            Ok(value) => drop(values.insert(key, value)),
            Err(problem) => findings.errors.push(format!("{name}: {key}: {problem}")),
        }
    }
    let class = values.get("connector.class").cloned().unwrap_or_default();
    if SOURCES.contains(&class.as_str()) {
        written.sources.push(Keys::new(&name, values));
    } else if SINKS.contains(&class.as_str()) {
        for (key, value) in CONNECT_DEFAULTS {
            values.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        written.sinks.push(Keys::new(&name, values));
    } else {
        let known = SOURCES.iter().chain(&SINKS).copied().collect::<Vec<_>>().join(", ");
        findings.errors.push(format!("{name}: connector.class={class}: must be one of {known}"));
    }
}

/// The text without commas that are followed by a closing bracket, outside of strings.
fn without_trailing_commas(text: &str) -> String {
    let mut repaired = String::new();
    let (mut in_string, mut is_escaped) = (false, false);
    for (index, character) in text.char_indices() {
        if in_string {
            in_string = character != '"' || is_escaped;
            is_escaped = character == '\\' && !is_escaped;
        } else if character == '"' {
            in_string = true;
        } else if character == ',' {
            let rest = text.get(index + 1..).unwrap_or_default().trim_start();
            if rest.starts_with(['}', ']']) {
                continue;
            }
        }
        repaired.push(character);
    }
    repaired
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Written, Findings) {
        let (mut written, mut findings) = (Written::default(), Findings::default());
        connector("file", text, &|_| None, &mut written, &mut findings);
        (written, findings)
    }

    #[test]
    fn files_with_and_without_a_name_are_read() {
        let class = SOURCES[0];
        let (written, findings) =
            read(&format!(r#"{{"connector.class": "{class}", "tasks.max": 1, "x": true}}"#));
        assert_eq!((written.sources.len(), written.sources[0].connector.as_str()), (1, "file"));
        assert_eq!(findings, Findings::default());
        let (mut written, _) =
            read(&format!(r#"{{"name": "n", "config": {{"connector.class": "{class}", "a,}}": "b,}}"}}}}"#));
        assert_eq!(written.sources[0].connector, "n");
        assert_eq!(written.sources[0].take("a,}").as_deref(), Some("b,}"));
    }

    #[test]
    fn a_trailing_comma_is_a_warning_and_other_faults_are_errors() {
        let (written, findings) =
            read(&format!(r#"{{"connector.class": "{}", "path": "a,}}\"",}}"#, SINKS[0]));
        assert_eq!((written.sinks.len(), findings.errors.len(), findings.warnings.len()), (1, 0, 1));
        for text in ["{", "[]", r#"{"connector.class": "other"}"#, r#"{"connector.class": "other", "a": []}"#]
        {
            assert!(!read(text).1.errors.is_empty(), "{text}");
        }
    }
}
