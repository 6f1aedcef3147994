//! What an answer under the `partial` policy says is missing: `octet-missing: service-b/service-e=UNAVAILABLE`,
//! the full path of each forgiven upstream and its code, comma-separated, depth first in declared order.

use octet_topology::ServiceName;
use tonic::{
    Code,
    metadata::{MetadataMap, MetadataValue},
};

use crate::failure::code_name;

const KEY: &str = "octet-missing";

/// Bytes of the longest list that is passed on. A longer one ends with [`MORE`]: no answer may grow beyond what
/// the next hop takes as metadata.
const LONGEST: usize = 4096;
const MORE: &str = ",...=UNKNOWN";

/// The forgiven upstreams of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Missing(Vec<String>);

impl Missing {
    /// An upstream whose call failed: all its greetings are missing.
    pub(crate) fn upstream(name: &ServiceName, code: Code) -> Self {
        Self(vec![format!("{name}={}", code_name(code))])
    }

    /// What `upstream` says is missing from its own answer, as paths from here.
    pub(crate) fn told_by(upstream: &ServiceName, metadata: &MetadataMap) -> Self {
        let values = metadata.get_all(KEY).iter().filter_map(|value| value.to_str().ok());
        let entries = values.flat_map(|value| value.split(',')).map(str::trim);
        Self(entries.filter(|entry| !entry.is_empty()).map(|entry| format!("{upstream}/{entry}")).collect())
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the list to an answer's metadata; nothing when nothing is missing.
    pub(crate) fn write_to(&self, metadata: &mut MetadataMap) {
        if self.is_empty() {
            return;
        }
        // Names and codes are ASCII, and so is what came as metadata; what is not stays unsaid.
        if let Ok(value) = MetadataValue::try_from(self.list()) {
            metadata.insert(KEY, value);
        }
    }

    fn list(&self) -> String {
        let mut list = String::new();
        for entry in &self.0 {
            if list.len() + entry.len() + 1 > LONGEST {
                list.push_str(MORE);
                break;
            }
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(entry);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        text.parse().unwrap()
    }

    #[test]
    fn paths_grow_from_hop_to_hop() {
        let mut metadata = MetadataMap::new();
        Missing::upstream(&name("service-g"), Code::Unavailable).write_to(&mut metadata);
        let at_b = Missing::told_by(&name("service-e"), &metadata);
        let mut at_a = Missing::default();
        at_a.extend({
            let mut metadata = MetadataMap::new();
            at_b.write_to(&mut metadata);
            Missing::told_by(&name("service-b"), &metadata)
        });
        at_a.extend(Missing::upstream(&name("service-c"), Code::DeadlineExceeded));
        assert_eq!(at_a.list(), "service-b/service-e/service-g=UNAVAILABLE,service-c=DEADLINE_EXCEEDED");
    }

    #[test]
    fn nothing_missing_is_no_header() {
        let mut metadata = MetadataMap::new();
        Missing::default().write_to(&mut metadata);
        assert!(metadata.is_empty());
    }

    #[test]
    fn a_list_stays_within_its_bound_and_says_that_there_is_more() {
        let mut missing = Missing::default();
        for _ in 0..1_000 {
            missing.extend(Missing::upstream(&name("service-with-a-long-name"), Code::Unavailable));
        }
        let list = missing.list();
        assert!(list.len() <= LONGEST + 16, "{}", list.len());
        assert!(list.ends_with(",...=UNKNOWN"), "{list}");
    }
}
