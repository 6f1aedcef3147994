//! How one upstream is called: how often, in which share of calls, with which payload.

use http::{HeaderMap, HeaderValue};
use hyper::body::Bytes;
use octet_fault::{Draw, Share, Size, Spread};
use octet_runtime::{
    faults::{CALL, Faults},
    upstream::{Balance, CallPolicy, Upstream},
};
use octet_topology::{EdgeSettings, Retry, ServiceName, Topology};

/// An upstream, and how it is called.
pub(crate) struct Called {
    pub(crate) name: ServiceName,
    pub(crate) upstream: Upstream,
    share: Share,
    pub(crate) times: u32,
    payload: Option<Spread<Size>>,
    /// Whether one request can reach the upstream several times, here or by other callers.
    is_numbered: bool,
}

impl Called {
    pub(crate) fn new(
        topology: &Topology,
        name: ServiceName,
        upstream: Upstream,
        edge: &EdgeSettings,
    ) -> Self {
        let callers = topology.edges().filter(|(_, callee)| **callee == name).count();
        let &EdgeSettings { share, times, payload, .. } = edge;
        Self { name, upstream, share, times, payload, is_numbered: times > 1 || callers > 1 }
    }

    /// Whether the call is made in this request.
    pub(crate) fn is_made(&self, faults: &Faults, caller: &str, carried: &HeaderMap) -> bool {
        self.share.is_whole() || self.draw(faults, caller, carried).text("share").hits(self.share)
    }

    /// The bytes that the request number `number` gets.
    pub(crate) fn padding(
        &self,
        faults: &Faults,
        caller: &str,
        carried: &HeaderMap,
        number: u32,
    ) -> Option<Bytes> {
        let payload = self.payload?;
        let draw = self.draw(faults, caller, carried).text("payload").number(u64::from(number));
        Some(crate::conduct::padding(draw, payload))
    }

    /// The headers of the call number `number`: where one request can reach the upstream several times, each call has a
    /// number, so that each is drawn by itself.
    pub(crate) fn numbered(&self, caller: &str, carried: &HeaderMap, number: u32) -> Option<HeaderMap> {
        if !self.is_numbered {
            return None;
        }
        let own = carried.get(CALL).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let draw = Draw::new(octet_fault::Seed(0), own).text(caller).number(u64::from(number));
        let mut headers = carried.clone();
        headers.insert(CALL, HeaderValue::from(draw.hash()));
        Some(headers)
    }

    fn draw(&self, faults: &Faults, caller: &str, carried: &HeaderMap) -> Draw {
        faults.request_draw(carried).text(caller).text(self.name.as_str())
    }
}

/// Whether one request can reach a service several times.
pub(crate) fn are_numbered(topology: &Topology) -> bool {
    let is_shared = |name: &ServiceName| topology.edges().filter(|(_, callee)| *callee == name).count() > 1;
    topology.edges().any(|(caller, callee)| {
        is_shared(callee) || topology.edge(caller.as_str(), callee.as_str()).times > 1
    })
}

/// The deadline, the balance and the retries of calls.
pub(crate) fn policy(edge: &EdgeSettings) -> CallPolicy {
    let balance = edge.balance.and_then(|balance| Balance::named(balance.as_str()));
    CallPolicy::new(edge.deadline, balance, edge.retry.as_ref().map(Retry::parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_balance_of_a_topology_is_known() {
        for balance in octet_topology::Balance::ALL {
            let edge = EdgeSettings { balance: Some(balance), ..EdgeSettings::default() };
            assert!(policy(&edge).balance.is_some(), "{balance:?}");
        }
    }
}
