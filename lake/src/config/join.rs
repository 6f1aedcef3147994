//! Which sink takes a topic: by `topics` or `topics.regex`.

use std::collections::BTreeMap;

use regex::Regex;

use super::{ignore, unknown};
use crate::{Findings, Keys, Lake, LakeError, SinkOptions, Transforms, engine::Route};

/// A sink whose keys are valid.
pub(super) struct Sink {
    name: String,
    topics: Vec<String>,
    pattern: Option<Regex>,
    lake: Option<String>,
    options: SinkOptions,
    transforms: Transforms,
}

impl Sink {
    fn takes(&self, topic: &str) -> bool {
        self.topics.iter().any(|name| name == topic)
            || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(topic))
    }

    fn is_like(&self, other: &Self) -> bool {
        (&self.lake, &self.options, &self.transforms) == (&other.lake, &other.options, &other.transforms)
    }
}

/// Checks the keys of all sinks.
pub(super) fn sinks(written: Vec<Keys>, to: Option<&str>, findings: &mut Findings) -> Vec<Sink> {
    let mut sinks = Vec::new();
    for mut keys in written {
        ignore(&mut keys);
        let topics = keys.list("topics");
        let pattern = keys.take("topics.regex");
        if topics.is_empty() == pattern.is_none() {
            findings.errors.push(format!("{}: either topics or topics.regex must be set", keys.connector));
        }
        // The whole name must match, as in Kafka Connect.
        let pattern = pattern.and_then(|pattern| match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
                findings.errors.push(format!("{}: topics.regex={pattern}: {reason}", keys.connector));
                None
            }
        });
        let transforms = Transforms::take(&mut keys, findings);
        let options = SinkOptions::take(&mut keys, findings);
        unknown(&keys, findings);
        let lake = to.map(str::to_owned).or_else(|| options.lake.clone());
        sinks.push(Sink { name: keys.connector, topics, pattern, lake, options, transforms });
    }
    sinks
}

/// All sinks, with their lakes open.
pub(super) struct Plan {
    sinks: Vec<Sink>,
    lakes: Vec<Option<Lake>>,
    default: Option<Lake>,
}

impl Plan {
    pub(super) fn new(sinks: Vec<Sink>, default_to: &str, findings: &mut Findings) -> Self {
        let mut open = |name: &str, address: &str, options: &SinkOptions| {
            Lake::open_with(address, &options.store)
                .map_err(|error| findings.errors.push(format!("{name}: {error}")))
                .ok()
        };
        let lakes = sinks
            .iter()
            .map(|sink| open(&sink.name, sink.lake.as_deref().unwrap_or(default_to), &sink.options));
        let lakes: Vec<_> = lakes.collect();
        let default = if sinks.is_empty() { open("to", default_to, &SinkOptions::default()) } else { None };
        Self { sinks, lakes, default }
    }

    /// Reports topics without a sink, or with two that differ.
    pub(super) fn check(&self, source: &str, topics: &[String], findings: &mut Findings) {
        for topic in topics {
            match self.find(topic) {
                Err(error) => findings.errors.push(format!("{source}: {error}")),
                Ok(Some((_, same))) if !same.is_empty() => findings.warnings.push(format!(
                    "{source}: the topic {topic} has more than one sink, all alike ({}): it is written once",
                    same.join(", ")
                )),
                Ok(_) => {}
            }
        }
    }

    /// The sink of a topic and the names of those that are like it; `None` where there are no sinks at all.
    fn find(&self, topic: &str) -> Result<Option<(usize, Vec<&str>)>, LakeError> {
        if self.sinks.is_empty() {
            return Ok(None);
        }
        let taking = self.sinks.iter().enumerate().filter(|(_, sink)| sink.takes(topic));
        let taking: Vec<_> = taking.collect();
        let Some(((index, first), others)) = taking.split_first() else {
            return Err(LakeError::Refused(format!("no sink takes the topic {topic}")));
        };
        if let Some((_, other)) = others.iter().find(|(_, other)| !other.is_like(first)) {
            return Err(LakeError::Refused(format!(
                "the sinks {} and {} both take the topic {topic}, and differ",
                first.name, other.name
            )));
        }
        let names = taking.iter().map(|(_, sink)| sink.name.as_str());
        Ok(Some((*index, if others.is_empty() { Vec::new() } else { names.collect() })))
    }

    /// Where a topic goes.
    pub(super) fn route(&self, topic: &str, transforms: &Transforms) -> Result<Route, LakeError> {
        let missing = || LakeError::Refused(format!("no lake for the topic {topic}"));
        match self.find(topic)? {
            None => Ok(Route {
                lake: self.default.clone().ok_or_else(missing)?,
                options: SinkOptions::default(),
                transforms: transforms.clone(),
            }),
            Some((index, _)) => {
                let sink = self.sinks.get(index).ok_or_else(missing)?;
                Ok(Route {
                    lake: self.lakes.get(index).cloned().flatten().ok_or_else(missing)?,
                    options: sink.options.clone(),
                    transforms: transforms.clone().then(sink.transforms.clone()),
                })
            }
        }
    }
}

/// Two sources of one topic would mix their rows and positions.
pub(super) fn check_topics<'a>(
    sources: impl Iterator<Item = (&'a str, Vec<String>)>,
    findings: &mut Findings,
) {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (name, topics) in sources {
        for topic in topics {
            if let Some(owner) = owners.get(&topic) {
                findings.errors.push(format!("{name} and {owner} both fill the topic {topic}"));
            }
            owners.insert(topic, name);
        }
    }
}
