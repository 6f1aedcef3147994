//! Predicates: on which topics a transform acts.

use std::collections::BTreeMap;

use regex::Regex;

use crate::{Findings, Keys};

#[derive(Debug, Clone)]
pub(super) enum Predicate {
    /// The whole name matches.
    TopicNameMatches(Regex),
    /// Rows of a database are never tombstones and have no headers.
    Never,
}

impl PartialEq for Predicate {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::TopicNameMatches(one), Self::TopicNameMatches(other)) => one.as_str() == other.as_str(),
            (Self::Never, Self::Never) => true,
            _ => false,
        }
    }
}

impl Eq for Predicate {}

/// When a transform acts: always, or as its predicate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    predicate: Option<Predicate>,
    negate: bool,
}

impl Condition {
    pub(super) fn take(
        prefix: &str,
        predicates: &BTreeMap<String, Predicate>,
        keys: &mut Keys,
        findings: &mut Findings,
    ) -> Self {
        let switch = [("true", true), ("false", false)];
        let negate = keys.one_of(&format!("{prefix}.negate"), false, &switch, findings);
        let name = keys.take(&format!("{prefix}.predicate"));
        let predicate = name.as_ref().and_then(|name| predicates.get(name).cloned());
        if let Some(name) = name.filter(|_| predicate.is_none()) {
            findings.errors.push(format!("{}: {prefix}.predicate={name}: no such predicate", keys.connector));
        }
        Self { predicate, negate }
    }

    pub(super) fn is_met(&self, topic: &str) -> bool {
        let holds = match &self.predicate {
            None => return true,
            Some(Predicate::TopicNameMatches(pattern)) => pattern.is_match(topic),
            Some(Predicate::Never) => false,
        };
        holds != self.negate
    }
}

pub(super) fn take(keys: &mut Keys, findings: &mut Findings) -> BTreeMap<String, Predicate> {
    const PACKAGE: &str = "org.apache.kafka.connect.transforms.predicates.";
    let mut predicates = BTreeMap::new();
    for name in keys.list("predicates") {
        let prefix = format!("predicates.{name}");
        let class = keys.take(&format!("{prefix}.type")).unwrap_or_default();
        let predicate = match class.strip_prefix(PACKAGE).unwrap_or(&class) {
            "TopicNameMatches" => {
                let pattern = keys.take(&format!("{prefix}.pattern")).unwrap_or_default();
                match Regex::new(&format!("^(?:{pattern})$")) {
                    Ok(pattern) => Predicate::TopicNameMatches(pattern),
                    Err(error) => {
                        findings
                            .errors
                            .push(format!("{}: {prefix}.pattern={pattern}: {error}", keys.connector));
                        continue;
                    }
                }
            }
            "HasHeaderKey" => {
                keys.take(&format!("{prefix}.name"));
                Predicate::Never
            }
            "RecordIsTombstone" => Predicate::Never,
            _ => {
                findings.errors.push(format!(
                    "{}: {prefix}.type={class}: must be TopicNameMatches, HasHeaderKey or RecordIsTombstone",
                    keys.connector
                ));
                continue;
            }
        };
        predicates.insert(name, predicate);
    }
    predicates
}
