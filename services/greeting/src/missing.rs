//! The upstreams missing from an answer under the `partial` policy: `octet-missing: service-b/service-e=UNAVAILABLE`,
//! the full path of each failed upstream and its code, comma-separated, depth first in declared order.

use octet_runtime::telemetry::code_name;
use octet_topology::ServiceName;
use tonic::{
    Code,
    metadata::{MetadataMap, MetadataValue},
};

const KEY: &str = "octet-missing";

/// The maximum length of the list, in bytes. A longer one is cut and ends with [`MORE`], so that the next hop accepts
/// the metadata.
const MAX_LIST: usize = 4096;
const MORE: &str = ",...=UNKNOWN";

/// The upstreams missing from one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Missing(Vec<String>);

impl Missing {
    /// An upstream whose call failed: all its greetings are missing.
    pub(crate) fn upstream(name: &ServiceName, code: Code) -> Self {
        Self(vec![format!("{name}={}", code_name(code))])
    }

    /// The entries that `upstream` reports, as paths from here.
    pub(crate) fn from_metadata(upstream: &ServiceName, metadata: &MetadataMap) -> Self {
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
        // Names and codes are ASCII, as are received metadata; anything else is left out.
        if let Ok(value) = MetadataValue::try_from(self.list()) {
            metadata.insert(KEY, value);
        }
    }

    fn list(&self) -> String {
        let mut list = String::new();
        for entry in &self.0 {
            if list.len() + entry.len() + 1 > MAX_LIST {
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
        let at_b = Missing::from_metadata(&name("service-e"), &metadata);
        let mut at_a = Missing::default();
        at_a.extend({
            let mut metadata = MetadataMap::new();
            at_b.write_to(&mut metadata);
            Missing::from_metadata(&name("service-b"), &metadata)
        });
        at_a.extend(Missing::upstream(&name("service-c"), Code::DeadlineExceeded));
        assert_eq!(at_a.list(), "service-b/service-e/service-g=UNAVAILABLE,service-c=DEADLINE_EXCEEDED");
    }

    #[test]
    fn without_missing_upstreams_no_header_is_written() {
        let mut metadata = MetadataMap::new();
        Missing::default().write_to(&mut metadata);
        assert!(metadata.is_empty());
    }

    #[test]
    fn a_list_that_is_too_long_is_cut_and_marked() {
        let mut missing = Missing::default();
        for _ in 0..1_000 {
            missing.extend(Missing::upstream(&name("service-with-a-long-name"), Code::Unavailable));
        }
        let list = missing.list();
        assert!(list.len() <= MAX_LIST + 16, "{}", list.len());
        assert!(list.ends_with(",...=UNKNOWN"), "{list}");
    }
}
