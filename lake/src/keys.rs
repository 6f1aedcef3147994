//! A connector's configuration: flat keys, as Kafka Connect has them, whatever file they come from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    ops::RangeInclusive,
    str::FromStr,
};

/// What is wrong with a configuration. Everything is reported at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Each keeps the command from running.
    pub errors: Vec<String>,
    /// Accepted, and reported.
    pub warnings: Vec<String>,
}

/// The keys of one connector. Each part of the lake takes its own keys; what remains is unknown.
#[derive(Debug)]
pub struct Keys {
    /// The connector's name, or its file's: findings begin with it.
    pub connector: String,
    values: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Keys {
    /// The keys of the connector `connector`.
    pub fn new(connector: &str, values: BTreeMap<String, String>) -> Self {
        Self { connector: connector.to_owned(), values, taken: BTreeSet::new() }
    }

    /// The value of `key`, without blanks around it.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.taken.insert(key.to_owned());
        self.values.get(key).map(|value| value.trim().to_owned())
    }

    /// Whether `key` is set.
    pub fn contains(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The elements of a comma-separated list, without empty ones.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        let list = self.take(key).unwrap_or_default();
        list.split(',').map(str::trim).filter(|element| !element.is_empty()).map(str::to_owned).collect()
    }

    /// A number within `allowed`, or `default`.
    pub fn number<T>(
        &mut self,
        key: &str,
        default: T,
        allowed: RangeInclusive<T>,
        findings: &mut Findings,
    ) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.take(key) else { return default };
        if let Ok(number) = text.parse()
            && allowed.contains(&number)
        {
            return number;
        }
        let (low, high) = allowed.into_inner();
        findings.errors.push(format!("{}: {key}={text}: must be {low} to {high}", self.connector));
        default
    }

    /// One of the named values, or `default`.
    pub fn one_of<T: Copy>(
        &mut self,
        key: &str,
        default: T,
        allowed: &[(&str, T)],
        findings: &mut Findings,
    ) -> T {
        let Some(text) = self.take(key) else { return default };
        if let Some((_, value)) = allowed.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let names: Vec<_> = allowed.iter().map(|(name, _)| *name).collect();
        findings.errors.push(format!("{}: {key}={text}: must be {}", self.connector, names.join(", ")));
        default
    }

    /// The keys that begin with `prefix` and a dot.
    pub fn below(&self, prefix: &str) -> Vec<String> {
        let is_below = |key: &&String| key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        self.values.keys().filter(is_below).cloned().collect()
    }

    /// The keys that nobody took.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.values.keys().filter(|key| !self.taken.contains(*key)).map(String::as_str)
    }
}
