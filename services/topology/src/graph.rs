//! Checks the graph of calls for cycles and for answers that are too large.

use std::collections::BTreeMap;

use crate::{
    limits::MAX_GREETINGS,
    quote::bare,
    raw::{RawService, RawText},
    reporter::Reporter,
};

/// Reports cycles and answers that would be too large.
///
/// The search recurses as deep as the graph, so the caller must have checked that there are at most
/// [`MAX_SERVICES`](crate::MAX_SERVICES) services.
/// `times` is how often a caller calls an upstream.
pub(crate) fn check(services: &[RawService<'_>], times: impl Fn(&str, &str) -> u32, reporter: &mut Reporter) {
    let mut search = Search::new(services, &times);
    for service in services {
        if let Some(name) = &service.name {
            search.visit(name.value);
        }
    }
    if search.cycles.is_empty() {
        report_large_answers(services, &search.greetings, reporter);
    }
    for (call, cycle) in search.cycles {
        reporter.report(&call.position, format!("calls form a cycle: {cycle}"));
    }
}

/// A depth-first search that counts the greetings in every service's answer and collects the cycles.
struct Search<'a> {
    calls: BTreeMap<&'a str, Vec<&'a RawText<'a>>>,
    /// The services from the start of the search to the one being visited.
    path: Vec<&'a str>,
    /// The number of greetings in the answer of each visited service.
    greetings: BTreeMap<&'a str, usize>,
    /// Each call that leads back to its own path, with the cycle that it closes. There can be exponentially many
    /// cycles, but none without these calls.
    cycles: Vec<(&'a RawText<'a>, String)>,
    times: &'a dyn Fn(&str, &str) -> u32,
}

impl<'a> Search<'a> {
    fn new(services: &'a [RawService<'a>], times: &'a dyn Fn(&str, &str) -> u32) -> Self {
        let mut calls = BTreeMap::<_, Vec<&RawText<'_>>>::new();
        for service in services {
            let Some(name) = &service.name else { continue };
            let upstreams = calls.entry(name.value).or_default();
            for upstream in &service.calls {
                // A service that calls itself or the same upstream twice has a finding of its own.
                let twice = upstreams.iter().any(|other| other.value == upstream.value);
                if upstream.value != name.value && !twice {
                    upstreams.push(upstream);
                }
            }
        }
        Self { calls, path: Vec::new(), greetings: BTreeMap::new(), cycles: Vec::new(), times }
    }

    /// Visits each service once, and returns the number of greetings in its answer.
    fn visit(&mut self, service: &'a str) -> usize {
        if let Some(greetings) = self.greetings.get(service) {
            return *greetings;
        }
        self.path.push(service);
        let mut greetings: usize = 1;
        for call in self.calls.get(service).cloned().unwrap_or_default() {
            if let Some(start) = self.path.iter().position(|name| *name == call.value) {
                let cycle = self.path.iter().skip(start).chain([&call.value]).map(|name| bare(name));
                self.cycles.push((call, cycle.collect::<Vec<_>>().join(" -> ")));
            } else if self.calls.contains_key(call.value) {
                let times = usize::try_from((self.times)(service, call.value)).unwrap_or(usize::MAX);
                greetings = greetings.saturating_add(self.visit(call.value).saturating_mul(times));
            }
        }
        self.path.pop();
        self.greetings.insert(service, greetings);
        greetings
    }
}

/// Reports only the services where the limit is crossed: their callers exceed it for the same reason.
///
/// Checks every service, even one that the entry does not reach, since each can be called directly.
fn report_large_answers(
    services: &[RawService<'_>],
    greetings: &BTreeMap<&str, usize>,
    reporter: &mut Reporter,
) {
    let count = |name: &RawText<'_>| greetings.get(name.value).copied().unwrap_or_default();
    for service in services {
        let Some(name) = &service.name else { continue };
        let own = count(name);
        let crossed_below =
            service.calls.iter().any(|call| call.value != name.value && count(call) > MAX_GREETINGS);
        if own > MAX_GREETINGS && !crossed_below {
            let message = format!("an answer of {own} greetings exceeds the limit of {MAX_GREETINGS}");
            reporter.report(&service.position, message);
        }
    }
}
