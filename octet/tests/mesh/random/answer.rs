//! Which answers a topology allows.

use std::collections::BTreeSet;

use octet_topology::{Policy, Service, ServiceName, Topology};

/// Checks the services of an answer, in its order; of a stream, without an order. Greetings may be absent where an upstream is
/// called in a share of calls, or where it failed and the answer says so.
pub fn check(topology: &Topology, names: &[&str], is_partial: bool, is_stream: bool) {
    let whole: Vec<_> = topology.greeting_order().into_iter().map(ServiceName::as_str).collect();
    let has_shares = topology
        .edges()
        .any(|(caller, callee)| !topology.edge(caller.as_str(), callee.as_str()).share.is_whole());
    if is_stream {
        let (mut sent, mut all) = (names.to_vec(), whole);
        sent.sort_unstable();
        all.sort_unstable();
        if !has_shares && !is_partial {
            assert_eq!(sent, all);
        }
        let mut rest = all.iter();
        assert!(sent.iter().all(|name| rest.any(|other| other == name)), "{names:?}");
        return;
    }
    if !has_shares && !is_partial {
        assert_eq!(names, whole);
    }
    let allowed = Allowed { topology, names, is_partial };
    let ends = allowed.after(topology.entry(), 0);
    assert!(ends.contains(&names.len()), "not in depth-first order: {names:?}");
}

struct Allowed<'a> {
    topology: &'a Topology,
    names: &'a [&'a str],
    is_partial: bool,
}

impl Allowed<'_> {
    /// Where the greetings of `service` and its upstreams can end that start at `start`.
    fn after(&self, service: &Service, start: usize) -> BTreeSet<usize> {
        if self.names.get(start) != Some(&service.name.as_str()) {
            return BTreeSet::new();
        }
        let mut ends = BTreeSet::from([start + 1]);
        for callee in service.calls.iter().filter_map(|name| self.topology.service(name)) {
            let edge = self.topology.edge(service.name.as_str(), callee.name.as_str());
            let may_fail = self.is_partial && service.policy == Policy::Partial;
            let mut after = if may_fail || !edge.share.is_whole() { ends.clone() } else { BTreeSet::new() };
            for number in 1..=edge.times {
                ends = ends.iter().flat_map(|end| self.after(callee, *end)).collect();
                if number == edge.times || may_fail {
                    after.extend(&ends);
                }
            }
            ends = after;
        }
        ends
    }
}
