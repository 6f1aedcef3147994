//! Checks the references between the parts of a topology, except for cycles.
//!
//! Compares names as written, valid or not, so that an invalid name is one finding where it is declared, and not
//! another at each use.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    quote::{bare, quoted},
    raw::{RawService, RawText, RawTopology},
    reporter::Reporter,
};

pub(crate) fn check(raw: &RawTopology<'_>, reporter: &mut Reporter) {
    check_names(&raw.services, reporter);
    check_upstreams(raw, reporter);
    check_stores(&raw.services, reporter);
    check_queues(&raw.services, reporter);
}

fn check_names(services: &[RawService<'_>], reporter: &mut Reporter) {
    let mut first = BTreeMap::new();
    for (service, name) in named(services) {
        if let Some(other) = first.insert(name.value, service) {
            reporter.report(
                &name.position,
                format!("{} is already the name of {}", quoted(name.value), other.position.path),
            );
            // Keep the first, so that a third is compared with it too.
            first.insert(name.value, other);
        }
    }
}

fn check_upstreams(raw: &RawTopology<'_>, reporter: &mut Reporter) {
    let names: Vec<_> = named(&raw.services).map(|(_, name)| name.value).collect();
    let check_known = |name: &RawText<'_>, reporter: &mut Reporter| {
        // Where no service has a name, the missing names are reported already.
        if !names.is_empty() && !names.contains(&name.value) {
            let services: Vec<_> = names.iter().map(|name| bare(name)).collect();
            let given = quoted(name.value);
            let message = format!("{given} is not a service; services are: {}", services.join(", "));
            reporter.report(&name.position, message);
        }
    };

    if let Some(entry) = &raw.entry {
        check_known(entry, reporter);
    }
    for service in &raw.services {
        let mut seen = BTreeMap::new();
        for upstream in &service.calls {
            if let Some(first) = seen.get(upstream.value) {
                let message = format!("{} is already in {first}", quoted(upstream.value));
                reporter.report(&upstream.position, message);
                continue;
            }
            seen.insert(upstream.value, &upstream.position.path);
            if service.name.as_ref().is_some_and(|name| name.value == upstream.value) {
                reporter.report(&upstream.position, format!("{} calls itself", quoted(upstream.value)));
            } else {
                check_known(upstream, reporter);
            }
        }
    }
}

fn check_stores(services: &[RawService<'_>], reporter: &mut Reporter) {
    let mut databases = BTreeMap::new();
    let mut stores = BTreeMap::new();
    for service in services {
        let Some(store) = &service.store else { continue };
        let Some(database) = &store.database else { continue };

        // MongoDB refuses a database name that differs from another only in case, as do some file systems.
        let spelling = *databases.entry(database.value.to_ascii_lowercase()).or_insert(database.value);
        if spelling != database.value {
            let message = format!("differs from the database {} only in case", quoted(spelling));
            reporter.report(&database.position, message);
        }

        let Some(collection) = &store.collection else { continue };
        let path = &service.position.path;
        let owner = *stores.entry((database.value, collection.value)).or_insert(path);
        if owner != path {
            let message = format!("is already the store of {owner}; each service needs its own");
            reporter.report(&store.position, message);
        }
    }
}

fn check_queues(services: &[RawService<'_>], reporter: &mut Reporter) {
    let published: BTreeSet<_> =
        services.iter().filter_map(|service| service.publishes.as_ref()).map(|queue| queue.value).collect();
    for service in services {
        let Some(queue) = &service.consumes else { continue };
        if !published.contains(queue.value) {
            reporter.report(&queue.position, format!("no service publishes to {}", quoted(queue.value)));
        }
        if service.store.is_none() {
            reporter.report(&queue.position, "a consumer needs a store");
        }
    }
}

/// The services whose name could be read.
fn named<'a, 't>(
    services: &'a [RawService<'t>],
) -> impl Iterator<Item = (&'a RawService<'t>, &'a RawText<'t>)> {
    services.iter().filter_map(|service| service.name.as_ref().map(|name| (service, name)))
}
