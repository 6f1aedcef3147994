//! The places that spans come from: their service, name and remote service. A span has a number for them, so that neither
//! its arrival nor its eviction touches a text.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher},
};

use foldhash::quality::SeedableRandomState;
use octet_zipkin::{Text, packed::Summary};

use super::services::Services;

/// The bytes of a place beside its texts: with its entries in the list and the map, and its allocations.
const PLACE: usize = 192;

/// The number of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlaceId(u32);

/// The names of a span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) service: Option<Text>,
    pub(super) name: Option<Text>,
    pub(super) remote: Option<Text>,
}

/// The places of all stored spans.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By a keyed hash of the names; where two places have one, the second is at the next number that is free.
    known: HashMap<u64, PlaceId, foldhash::fast::RandomState>,
    list: Vec<Counted>,
    free: Vec<PlaceId>,
    services: Services,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Counted {
    place: Place,
    key: u64,
    spans: usize,
}

impl Place {
    fn of(span: &Summary<'_>) -> Self {
        let text = |text: Option<&str>| text.map(Text::from);
        Self {
            service: text(span.service.as_deref()),
            name: text(span.name.as_deref()),
            remote: text(span.remote_service.as_deref()),
        }
    }

    fn is_of(&self, span: &Summary<'_>) -> bool {
        self.service.as_deref() == span.service.as_deref()
            && self.name.as_deref() == span.name.as_deref()
            && self.remote.as_deref() == span.remote_service.as_deref()
    }

    fn bytes(&self) -> usize {
        let texts = [&self.service, &self.name, &self.remote].into_iter().flatten();
        PLACE + texts.map(|text| text.len()).sum::<usize>()
    }
}

impl Places {
    /// Counts a span, and returns the number of its place.
    pub(super) fn add(&mut self, span: &Summary<'_>, hasher: &SeedableRandomState) -> PlaceId {
        let mut state = hasher.build_hasher();
        for text in [&span.service, &span.name, &span.remote_service] {
            text.as_deref().unwrap_or_default().hash(&mut state);
        }
        let mut key = state.finish();
        while let Some(id) = self.known.get(&key) {
            let counted = self.list.get_mut(index(*id));
            if let Some(counted) = counted.filter(|counted| counted.place.is_of(span)) {
                counted.spans += 1;
                return *id;
            }
            key = key.wrapping_add(1);
        }
        let place = Place::of(span);
        self.bytes += place.bytes();
        self.services.add(&place);
        let id = self.free.pop().unwrap_or_else(|| {
            self.list.push(Counted::default());
            // There are fewer than spans, whose bytes are bounded.
            PlaceId(u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX))
        });
        if let Some(counted) = self.list.get_mut(index(id)) {
            *counted = Counted { place, key, spans: 1 };
        }
        self.known.insert(key, id);
        id
    }

    /// Removes a span that was counted.
    pub(super) fn remove(&mut self, id: PlaceId) {
        let Some(counted) = self.list.get_mut(index(id)) else { return };
        counted.spans -= 1;
        if counted.spans > 0 {
            return;
        }
        let Counted { place, key, .. } = std::mem::take(counted);
        self.known.remove(&key);
        self.free.push(id);
        self.services.remove(&place);
        self.bytes -= place.bytes();
        if self.known.is_empty() {
            // Also the memory of the lists.
            (self.list, self.free) = (Vec::new(), Vec::new());
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.services.bytes()
    }

    pub(super) fn services(&self) -> &Services {
        &self.services
    }
}

fn index(PlaceId(id): PlaceId) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
