//! Which calls follow which: the steps of a service.

use std::collections::BTreeMap;

use octet_zipkin::Text;

/// The share of the answers in which one call must end before the other begins: the rest may be chance.
const SHARE: f64 = 0.95;

/// The steps of calls to `callees`, each in the order of their names.
pub(super) fn steps(callees: &[Text], pairs: &BTreeMap<(Text, Text), (u64, u64)>) -> Vec<Vec<Text>> {
    let follows = |first: &Text, second: &Text| {
        pairs
            .get(&(first.clone(), second.clone()))
            .is_some_and(|(ended, both)| *both > 0 && precise(*ended) / precise(*both) >= SHARE)
    };
    let mut left: Vec<&Text> = callees.iter().collect();
    let mut steps = Vec::new();
    while !left.is_empty() {
        let is_first = |name: &&Text| !left.iter().any(|other| other != name && follows(other, name));
        let mut step: Vec<&Text> = left.iter().copied().filter(|name| is_first(name)).collect();
        if step.is_empty() {
            // Each follows another: no order.
            step.clone_from(&left);
        }
        left.retain(|name| !step.contains(name));
        steps.push(step.into_iter().cloned().collect());
    }
    steps
}

#[allow(clippy::cast_precision_loss, reason = "far fewer calls than the digits of a double")]
pub(super) fn precise(count: u64) -> f64 {
    count as f64
}
