//! The names of services, as small numbers.

use std::{collections::HashMap, sync::Arc};

use foldhash::quality::RandomState;

/// The maximum number of names, and of bytes of one: reporters can invent them.
const MAX_NAMES: usize = 4_096;
const MAX_LENGTH: usize = 256;

/// The bytes of a name beside its text.
const NAME: usize = 96;

/// A name's number; zero for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct NameId(u16);

impl NameId {
    /// For spans that do not name the service.
    pub(super) const NONE: Self = Self(0);

    /// For names beyond the limits.
    pub(super) const UNKNOWN: Self = Self(u16::MAX);

    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::NONE { other } else { self }
    }
}

#[derive(Debug)]
pub(super) struct Names {
    known: HashMap<Arc<str>, NameId, RandomState>,
    /// The name with number `index + 1`; `None` where it was forgotten.
    list: Vec<Option<Arc<str>>>,
    free: Vec<NameId>,
    bytes: usize,
    max_bytes: usize,
}

impl Names {
    /// No names; their number is limited, too.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { known: HashMap::default(), list: Vec::new(), free: Vec::new(), bytes: 0, max_bytes }
    }

    /// The number of a name.
    pub(super) fn id(&mut self, name: Option<&str>) -> NameId {
        let Some(name) = name else { return NameId::NONE };
        if let Some(id) = self.known.get(name) {
            return *id;
        }
        if name.len() > MAX_LENGTH || self.bytes + name.len() + NAME > self.max_bytes {
            return NameId::UNKNOWN;
        }
        let id = self.free.pop().or_else(|| {
            let next = u16::try_from(self.list.len() + 1).ok().filter(|_| self.list.len() < MAX_NAMES)?;
            self.list.push(None);
            Some(NameId(next))
        });
        let Some(id) = id else { return NameId::UNKNOWN };
        let name: Arc<str> = Arc::from(name);
        self.bytes += name.len() + NAME;
        if let Some(slot) = self.slot(id) {
            *slot = Some(name.clone());
        }
        self.known.insert(name, id);
        id
    }

    /// The name with this number; `None` for no name and for unknown ones.
    pub(super) fn name(&self, id: NameId) -> Option<&str> {
        self.list.get(usize::from(id.0).checked_sub(1)?)?.as_deref()
    }

    pub(super) fn is_full(&self) -> bool {
        (self.free.is_empty() && self.list.len() >= MAX_NAMES)
            || self.bytes + MAX_LENGTH + NAME > self.max_bytes
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the names that are not `used`.
    pub(super) fn retain(&mut self, used: impl IntoIterator<Item = NameId>) {
        let mut is_used = vec![false; self.list.len()];
        for id in used {
            if let Some(used) = usize::from(id.0).checked_sub(1).and_then(|index| is_used.get_mut(index)) {
                *used = true;
            }
        }
        for (index, is_used) in is_used.into_iter().enumerate() {
            let Some(slot) = self.list.get_mut(index) else { continue };
            if !is_used
                && let Some(name) = slot.take()
                && let Some(id) = self.known.remove(&name)
            {
                self.bytes -= name.len() + NAME;
                self.free.push(id);
            }
        }
    }

    fn slot(&mut self, id: NameId) -> Option<&mut Option<Arc<str>>> {
        self.list.get_mut(usize::from(id.0).checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limits_are_unknown_until_others_are_forgotten() {
        let mut names = Names::new(1 << 20);
        let ids: Vec<NameId> =
            (0..MAX_NAMES).map(|number| names.id(Some(&format!("name {number}")))).collect();
        assert!(!ids.contains(&NameId::UNKNOWN) && names.is_full());
        assert_eq!(names.id(Some("more")), NameId::UNKNOWN);
        assert_eq!(names.id(Some("name 7")), ids[7], "known names stay known");

        names.retain([ids[7]]);
        assert_eq!(names.name(ids[7]), Some("name 7"));
        assert_eq!(names.name(ids[8]), None);
        let id = names.id(Some("more"));
        assert_eq!(names.name(id), Some("more"));
        names.retain([]);
        assert_eq!(names.bytes(), 0);

        let long = "x".repeat(MAX_LENGTH + 1);
        assert_eq!(names.id(Some(&long)), NameId::UNKNOWN);
        assert_eq!(names.id(None), NameId::NONE);

        let mut few = Names::new(1_000);
        let ids: Vec<NameId> = (0..20).map(|number| few.id(Some(&format!("name {number}")))).collect();
        assert!(
            ids[5] != NameId::UNKNOWN && ids[19] == NameId::UNKNOWN && few.bytes() <= 1_000 && few.is_full()
        );
    }
}
