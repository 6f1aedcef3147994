//! The index of service names, with the span names and remote services of each.

use std::{collections::BTreeMap, ops::Bound};

use octet_zipkin::Text;

use super::places::Place;

/// The bytes of an entry in a map, with its share of the nodes, which are about two thirds full.
const ENTRY: usize = 48;
const SERVICE: usize = 160;

/// Names, each with the number of its places.
#[derive(Debug, Default)]
struct Counted(BTreeMap<Text, usize>);

/// The services of all stored spans.
#[derive(Debug, Default)]
pub(super) struct Services {
    known: BTreeMap<Text, Service>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Service {
    places: usize,
    names: Counted,
    remote: Counted,
}

impl Services {
    pub(super) fn add(&mut self, place: &Place) {
        let Some(name) = &place.service else { return };
        // Not by `entry`, which needs a copy of the name.
        if let Some(service) = self.known.get_mut(name) {
            self.bytes += service.add(place);
            return;
        }
        let mut service = Service::default();
        self.bytes += SERVICE + service.add(place);
        self.known.insert(name.clone(), service);
    }

    pub(super) fn remove(&mut self, place: &Place) {
        let Some(name) = &place.service else { return };
        let Some(service) = self.known.get_mut(name) else { return };
        service.places -= 1;
        self.bytes -=
            service.names.remove(place.name.as_ref()) + service.remote.remove(place.remote.as_ref());
        if service.places == 0 {
            self.known.remove(name);
            self.bytes -= SERVICE;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn services(&self, after: Option<&str>) -> impl Iterator<Item = &Text> {
        keys_after(&self.known, after)
    }

    pub(super) fn span_names(&self, service: &str, after: Option<&str>) -> impl Iterator<Item = &Text> {
        self.known.get(service).into_iter().flat_map(move |service| keys_after(&service.names.0, after))
    }

    pub(super) fn remote_services(&self, service: &str, after: Option<&str>) -> impl Iterator<Item = &Text> {
        self.known.get(service).into_iter().flat_map(move |service| keys_after(&service.remote.0, after))
    }
}

fn keys_after<'m, V>(map: &'m BTreeMap<Text, V>, after: Option<&str>) -> impl Iterator<Item = &'m Text> {
    let after = after.map_or(Bound::Unbounded, Bound::Excluded);
    map.range::<str, _>((after, Bound::Unbounded)).map(|(name, _)| name)
}

impl Service {
    /// Returns the added bytes.
    fn add(&mut self, place: &Place) -> usize {
        self.places += 1;
        self.names.add(place.name.as_ref()) + self.remote.add(place.remote.as_ref())
    }
}

impl Counted {
    /// Returns the added bytes.
    fn add(&mut self, name: Option<&Text>) -> usize {
        let Some(name) = name else { return 0 };
        if let Some(count) = self.0.get_mut(name) {
            *count += 1;
            return 0;
        }
        self.0.insert(name.clone(), 1);
        ENTRY
    }

    /// Returns the freed bytes.
    fn remove(&mut self, name: Option<&Text>) -> usize {
        let Some(name) = name else { return 0 };
        match self.0.get_mut(name) {
            Some(1) => {
                self.0.remove(name);
                ENTRY
            }
            Some(count) => {
                *count -= 1;
                0
            }
            None => 0,
        }
    }
}
