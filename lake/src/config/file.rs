//! `lake.toml`: `to`, and tables `[source.NAME]` and `[sink.NAME]` whose keys are those of Kafka Connect's connectors.

use std::{collections::BTreeMap, path::Path};

use toml::{Table, Value};

use super::{Written, secrets};
use crate::{Findings, Keys};

/// Reads a file. What is wrong is added to `findings`.
pub fn toml(path: &Path, variable: &dyn Fn(&str) -> Option<String>, findings: &mut Findings) -> Written {
    match secrets::read(path) {
        Ok(text) => parse(&path.display().to_string(), &text, variable, findings),
        Err(error) => {
            findings.errors.push(format!("{}: {error}", path.display()));
            Written::default()
        }
    }
}

fn parse(
    origin: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Written {
    let mut written = Written::default();
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => {
            findings.errors.extend(error.to_string().lines().map(|line| format!("{origin}: {line}")));
            return written;
        }
    };
    for (key, value) in table {
        match (key.as_str(), value) {
            ("to", Value::String(to)) => written.to = Some(to),
            ("source", Value::Table(sources)) => {
                written.sources = connectors(origin, "source", sources, variable, findings);
            }
            ("sink", Value::Table(sinks)) => {
                written.sinks = connectors(origin, "sink", sinks, variable, findings);
            }
            _ => findings
                .errors
                .push(format!("{origin}: {key}: must be `to`, a table [source.NAME] or a table [sink.NAME]")),
        }
    }
    written
}

fn connectors(
    origin: &str,
    kind: &str,
    tables: Table,
    variable: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Vec<Keys> {
    let mut connectors = Vec::new();
    for (name, value) in tables {
        let Value::Table(table) = value else {
            findings.errors.push(format!("{origin}: {kind}.{name} must be a table"));
            continue;
        };
        let name = format!("{kind}.{name}");
        let mut values = BTreeMap::new();
        flatten("", table, &mut values, &mut |key, problem| {
            findings.errors.push(format!("{name}: {key}: {problem}"));
        });
        for (key, value) in &mut values {
            match secrets::resolve(value, variable) {
                Ok(resolved) => *value = resolved,
                Err(problem) => findings.errors.push(format!("{name}: {key}: {problem}")),
            }
        }
        connectors.push(Keys::new(&name, values));
    }
    connectors
}

/// `connection.url = "…"` is a table in a table; its key is the dotted one.
fn flatten(
    prefix: &str,
    table: Table,
    values: &mut BTreeMap<String, String>,
    fault: &mut dyn FnMut(&str, &str),
) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        let text = match value {
            Value::Table(table) => {
                flatten(&key, table, values, fault);
                continue;
            }
            Value::Array(elements) => {
                let texts: Option<Vec<String>> = elements.iter().map(scalar).collect();
                texts.map(|texts| texts.join(","))
            }
            other => scalar(&other),
        };
        match text {
            Some(text) => drop(values.insert(key, text)),
            None => fault(&key, "must be a text, a number, a boolean or a list of these"),
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_and_quoted_keys_and_lists_are_the_same_keys() {
        let text = r#"
            to = "s3://bucket/prefix"
            [source.orders]
            connection.url = "postgresql://${env:HOST}/d"
            "transforms" = "a"
            "transforms.a.type" = "x"
            table.whitelist = ["one", "two"]
            poll.interval.ms = 100
            validate.non.null = false
            [sink.all]
            topics.regex = ".*"
        "#;
        let mut findings = Findings::default();
        let mut written = parse("lake.toml", text, &|_| Some("db".to_owned()), &mut findings);
        assert_eq!(findings, Findings::default());
        assert_eq!(written.to.as_deref(), Some("s3://bucket/prefix"));
        let source = &mut written.sources[0];
        assert_eq!(source.connector, "source.orders");
        for (key, value) in [
            ("connection.url", "postgresql://db/d"),
            ("transforms", "a"),
            ("transforms.a.type", "x"),
            ("table.whitelist", "one,two"),
            ("poll.interval.ms", "100"),
            ("validate.non.null", "false"),
        ] {
            assert_eq!(source.take(key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(written.sinks[0].take("topics.regex").as_deref(), Some(".*"));
    }

    #[test]
    fn every_fault_of_a_file_is_reported() {
        let mut findings = Findings::default();
        let text = "other = 1\nto = 2\n[source]\na = 1\n[source.b]\nc = 2026-01-01\nd = \"${env:X}\"";
        parse("lake.toml", text, &|_| None, &mut findings);
        assert_eq!(findings.errors.len(), 5, "{:?}", findings.errors);
    }
}
